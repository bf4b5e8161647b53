// SPDX-License-Identifier: BSD-3-Clause
/* The quorum lease (diskhb/doc/quorum.md, plugin/quorum/lease*.cpp) for Spin: no two rings have the
 * vote at one instant, whatever is slow, stalls, crashes, gets lost, is torn or stale, and whoever
 * ballots when.
 *
 * Time goes in ticks of all clocks at once; between two ticks anything may happen, in any order,
 * any number of times or not at all. So a stall, a slow device, a dead node and a lost volume are
 * runs in which nothing of that node or volume happens for a while, or for ever. What the code
 * decides by policy (who ballots, joins, revokes and when, when to write and read) is free: each
 * choice is tried. The rest is as in the code, or allows more than the code does, never less:
 *   - what favours a vote or a grant is known as soon as it has landed; what speaks against one
 *     only when the argument needs it: a silence, and what one who has joined had heard by then;
 *   - a block was made when it landed (but -DSLOW): its vote ends no earlier for that;
 *   - a node polls with the vote at the last moment that it may, whenever it may;
 *   - a holder's blocks are in time if a majority of the volumes got one in time, read back or not;
 *   - a holder answers what has landed anywhere, without the wait for its own block before;
 *   - the grant comes with the last leave: phase 2 of the ballot only makes it later;
 *   - whoever joins a ballot ends its vote for another ring at once, and its own grant.
 * Reads are stale for less than a tick, the margin: one may miss the blocks of this tick, some of
 * them or all. A torn read is one that did not happen; a torn block is one that lands and says
 * nothing.
 *
 * -DNODES=2|3 -DVOLUMES=1|3 (3: with two nodes) -DBALLOTS=2.. the first is in force at the start.
 * -DSPLIT= how ring 0 breaks into new ones, of three nodes, a sum of 1: 0 1|2, 2: 0|1 2, 4: 0|1|2.
 * -DSLOW (1 volume): a holder's block may be on its way for ever, or land when it is none any more.
 * -DRESTARTS= daemons that start anew, in all (1 volume).
 * Mistakes, to be found: -DTAKE=DROP, -DTAKE=2 (no margin), -DIMPATIENT (a silence counts as soon
 * as our ballot was read back), -DFORGETS_PROMISE (a later ballot undoes the promise to one
 * before), -DTRUSTS_FORMER_LIFE (who has joined counts as joined after it started anew),
 * -DFORGETFUL (a daemon that starts anew takes part at once, and knows of no former vote).
 */
#ifndef NODES
#define NODES 3
#endif
#ifndef SPLIT
#define SPLIT 7
#endif
#ifndef VOLUMES
#define VOLUMES 1
#endif
#ifndef BALLOTS
#define BALLOTS 3
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#define DROP 1    /* ticks that a block is good for */
#define TIMEOUT 1 /* ticks that votequorum keeps the last poll */
#define MARGIN 1
#ifndef TAKE
#define TAKE (DROP + TIMEOUT + MARGIN) /* ticks of silence */
#endif

/* Ages are ticks passed, and stop at what makes no difference any more. */
#define GONE (DROP + 1)
#define SILENT MAX(TAKE, GONE)
/* The ticks left of a vote that rests on a block of that age. It is polled until TIMEOUT of them
 * are left. */
#define VOTE(of_age) (DROP + TIMEOUT + 1 - (of_age))
#define MAY_POLL(n) (vote[n] > TIMEOUT)

#define NONE 0
#define CLAIMED 1
#define GRANTED 2
#define NO_RING 255

#define AT(n, v) ((n) * VOLUMES + (v))                      /* the block of n on v */
#define BY(b, n) ((b) * NODES + (n))                        /* what ballot b has of n */
#define SEEN(n, m, v) (((n) * NODES + (m)) * VOLUMES + (v)) /* what n sees of m on v */

/* Corosync: ring 0, then the one that the node will be in. */
byte ring[NODES], part[NODES];

/* A node. A grant or claim is of the ballot that it has joined. */
byte joined[NODES], granting[NODES];
byte floor[NODES];               /* no vote under lower ballots */
byte vote[NODES];                /* ticks until it is gone */
bit last[NODES];                 /* under the grant that was the last it joined */
bit exempt[NODES];               /* its claim needs no leave while it votes like that */
byte age[NODES * VOLUMES];       /* since its last block landed there */
bit fresh[NODES * VOLUMES];      /* ... in this tick, after a silence: a stale read misses it */

/* A ballot: for which ring, who has joined it, and how old the newest block of each member is that
 * its holder has answered. */
byte ring_of[BALLOTS + 1];
bit has_joined[(BALLOTS + 1) * NODES]; /* while it is a claim */
byte echo[(BALLOTS + 1) * NODES];
#if VOLUMES == 1
#define ECHO_GONE GONE
#else
#define ECHO_GONE SILENT
byte owner[BALLOTS + 1];
#endif

/* A claim on each volume. 1: it is there; 2: so long that no read misses what was there before. */
byte on[NODES * VOLUMES];
#ifdef IMPATIENT
#define SHOWN 2
#else
#define SHOWN 1
#endif
#if VOLUMES > 1
bit seen[NODES * NODES * VOLUMES]; /* a silence */
byte back[NODES * VOLUMES];        /* age of the newest block read back from there */
#endif

#if RESTARTS > 0
byte restarts;
byte quarantine[NODES];
bit unborn[NODES];   /* no block of this life yet */
bit old_life[NODES]; /* the first one landed in this tick: a stale read shows the former life */
#define RESTED(n) (quarantine[n] == 0)
#define UNBORN(n) unborn[n]
#define IS_NEW(n) (fresh[n] || old_life[n])
#else
#define RESTED(n) true
#define UNBORN(n) false
#define IS_NEW(n) fresh[n]
#endif

#ifdef SLOW
bit busy[NODES]; /* a holder's block on its way */
byte w_ballot[NODES];
byte w_echo[NODES * NODES];
#define BUSY(n) busy[n]
#else
#define BUSY(n) false
#endif

/* Scratch, always left at 0. */
byte i, j, k, x;

#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
/* ages: of the newest block anywhere, and of one that a majority of the volumes got */
#if VOLUMES == 1
#define NEWEST(n) age[n]
#define CHAIN(n) age[n]
#define CLAIM_CHAIN(n) age[n]
#else
#define MIDDLE(a, b, c) MAX(MIN(a, b), MIN(MAX(a, b), c))
#define NEWEST(n) MIN(age[AT(n, 0)], MIN(age[AT(n, 1)], age[AT(n, 2)]))
#define CHAIN(n) MIDDLE(age[AT(n, 0)], age[AT(n, 1)], age[AT(n, 2)])
#define CLAIM_CHAIN(n) MIDDLE(back[AT(n, 0)], back[AT(n, 1)], back[AT(n, 2)])
#endif

/* Which volume is called which makes no difference: sorted by what is known of them (2 nodes). */
#if VOLUMES > 1
#define KEY(v) \
    (((((((((age[AT(0, v)] * 4 + age[AT(1, v)]) * 3 + on[AT(0, v)]) * 3 + on[AT(1, v)]) * 3 + \
        back[AT(0, v)]) * 3 + back[AT(1, v)]) * 2 + fresh[AT(0, v)]) * 2 + fresh[AT(1, v)]) * 2 + \
       seen[SEEN(0, 1, v)]) * 2 + seen[SEEN(1, 0, v)])
#define SWAP(one, other) x = one; one = other; other = x
#define SORT(v, w) \
    if \
    :: KEY(v) < KEY(w) -> \
        SWAP(age[AT(0, v)], age[AT(0, w)]); SWAP(age[AT(1, v)], age[AT(1, w)]); \
        SWAP(on[AT(0, v)], on[AT(0, w)]); SWAP(on[AT(1, v)], on[AT(1, w)]); \
        SWAP(back[AT(0, v)], back[AT(0, w)]); SWAP(back[AT(1, v)], back[AT(1, w)]); \
        SWAP(fresh[AT(0, v)], fresh[AT(0, w)]); SWAP(fresh[AT(1, v)], fresh[AT(1, w)]); \
        SWAP(seen[SEEN(0, 1, v)], seen[SEEN(0, 1, w)]); \
        SWAP(seen[SEEN(1, 0, v)], seen[SEEN(1, 0, w)]); x = 0 \
    :: else \
    fi
inline sort_volumes() { SORT(0, 1); SORT(1, 2); SORT(0, 1) }
#else
inline sort_volumes() { x = 0 }
#endif

#define ALL(count, k, what) k = 0; do :: k < count -> what; k++ :: else -> break od; k = 0

/* What only a claim needs. */
inline forget_claim(n) {
    ALL(NODES, i, has_joined[BY(joined[n], i)] = 0);
    i = 0;
    do
    :: i < VOLUMES ->
        on[AT(n, i)] = 0;
#if VOLUMES > 1
        back[AT(n, i)] = GONE;
        ALL(NODES, j, seen[SEEN(n, j, i)] = 0);
#endif
        i++
    :: else -> break
    od;
    i = 0;
    exempt[n] = 0
}

inline drop(n) {
    if
    :: granting[n] == CLAIMED -> forget_claim(n)
    :: else
    fi;
    granting[n] = NONE
}

#if BALLOTS == 2
#define BALLOTS_LEFT (ring_of[2] == NO_RING)
#elif BALLOTS == 3
#define BALLOTS_LEFT (ring_of[2] == NO_RING || ring_of[3] == NO_RING)
#else
#define BALLOTS_LEFT (ring_of[2] == NO_RING || ring_of[3] == NO_RING || ring_of[4] == NO_RING)
#endif
/* Of an answer that can be no vote of m any more, or is one already, nothing is kept. */
#if VOLUMES == 1
#define IS_CAST(m, b) (b == joined[m] && ring_of[b] == ring[m])
#else
#define IS_CAST(m, b) false
#endif
#ifdef FORGETS_PROMISE
#define USELESS(m, b) (ring_of[b] != ring[m] && (ring[m] != 0 || ring_of[b] != part[m]))
#define FORGET_USELESS(n) i = 0
#else
#define USELESS(m, b) \
    (IS_CAST(m, b) || ring_of[b] != ring[m] && (ring[m] != 0 || ring_of[b] != part[m]) || \
     b < floor[m] || b < joined[m] && ring_of[joined[m]] != ring_of[b])
#define FORGET_USELESS(n) \
    i = 0; \
    do \
    :: i <= BALLOTS -> \
        if \
        :: USELESS(n, i) -> echo[BY(i, n)] = ECHO_GONE \
        :: else \
        fi; \
        i++ \
    :: else -> break \
    od; \
    i = 0
#endif

inline promise(n, b) {
#ifndef FORGETS_PROMISE
    if
    :: ring_of[b] != ring_of[joined[n]] && joined[n] > floor[n] -> floor[n] = joined[n]
    :: else
    fi;
#endif
    joined[n] = b;
    FORGET_USELESS(n)
}

/* No read is stale about that block any more. */
inline not_fresh(n, v) {
    fresh[AT(n, v)] = 0;
#if RESTARTS > 0 && !defined(TRUSTS_FORMER_LIFE)
    if
    :: old_life[n] ->
        old_life[n] = 0;
        ALL(BALLOTS + 1, j, has_joined[BY(j, n)] = 0)
    :: else
    fi
#endif
}

/* A fresh block of m is known from this block of n to all who still need something of n. */
#define HEAR_OF(n, m) \
    x = fresh[n]; \
    i = 0; \
    do \
    :: i < NODES -> x = (x || (granting[i] == CLAIMED && has_joined[BY(joined[i], n)])); i++ \
    :: else -> break \
    od; \
    i = 0; \
    if \
    :: !x && IS_NEW(m) -> not_fresh(m, 0) \
    :: else \
    fi; \
    x = 0

inline end_vote(n) { vote[n] = 0; last[n] = 0; exempt[n] = 0 }

/* The age of what a vote of n under b would rest on. */
#define OWN(n, b) (granting[n] == GRANTED && joined[n] == b)
#if VOLUMES == 1
#define RESTS_ON(n, b) (OWN(n, b) -> CHAIN(n) : echo[BY(b, n)])
#else
#define RESTS_ON(n, b) MAX(CHAIN(n), (OWN(n, b) -> CHAIN(n) : echo[BY(b, n)]))
#endif
#define MAY_VOTE(n, b) \
    (ring_of[b] == ring[n] && RESTS_ON(n, b) <= DROP && VOTE(RESTS_ON(n, b)) > vote[n] && \
     (b >= joined[n] || ring_of[joined[n]] == ring[n]) && b >= floor[n])

/* The law. */
inline check() {
    i = 0;
    do
    :: i < NODES ->
        j = 0;
        do
        :: j < i -> assert(vote[i] == 0 || vote[j] == 0 || ring[i] == ring[j]); j++
        :: else -> break
        od;
        i++
    :: else -> break
    od;
    i = 0; j = 0
}

inline cast_vote(n, b) {
    printf("node %d: votes in ring %d under %d\n", n, ring[n], b);
    vote[n] = VOTE(RESTS_ON(n, b));
    if
    :: b > joined[n] -> drop(n); promise(n, b)
    :: else
    fi;
    last[n] = (b == joined[n] && BALLOTS_LEFT);
    check()
}

/* Under the ballot that it has joined: this gives up nothing, so it is done at once. */
inline vote_as_promised(n) {
    if
    :: MAY_VOTE(n, joined[n]) -> cast_vote(n, joined[n])
    :: else
    fi;
    FORGET_USELESS(n)
}

inline land(n, v) {
    /* Fresh only for those who look for a silence. */
    x = 0;
    i = 0;
    do
    :: i < NODES ->
        x = (x || (i != n && granting[i] == CLAIMED && on[AT(i, v)] == 2));
        i++
    :: else -> break
    od;
    i = 0;
#ifdef IMPATIENT
    x = 1;
#endif
    fresh[AT(n, v)] = (x && (fresh[AT(n, v)] || age[AT(n, v)] >= TAKE));
    x = 0;
#if RESTARTS > 0
    if
    :: unborn[n] -> unborn[n] = 0; old_life[n] = 1
    :: else
    fi;
#endif
    age[AT(n, v)] = 0;
    if
    :: granting[n] == CLAIMED -> on[AT(n, v)] = MAX(on[AT(n, v)], SHOWN)
    :: else ->
        i = 0;
        do
        :: i < NODES ->
            if
            :: granting[i] == CLAIMED && joined[i] == joined[n] && i != n ->
                has_joined[BY(joined[n], n)] = 1
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    fi;
    vote_as_promised(n)
}

#ifdef SLOW
/* A holder's block on its way: it answers what was there when it was made. */
inline start_write(n, v) {
    printf("node %d: writes\n", n);
    busy[n] = 1; w_ballot[n] = joined[n];
    k = 0;
    do
    :: k < NODES ->
        w_echo[n * NODES + k] =
            (k == n || UNBORN(k) || USELESS(k, joined[n]) && !IS_CAST(k, joined[n])
             -> GONE : MIN(NEWEST(k), GONE));
        k++
    :: else -> break
    od;
    k = 0
}
inline end_write(n, v, lands) {
    printf("node %d: write ends %d\n", n, lands);
    if
    :: lands ->
        fresh[AT(n, v)] = (fresh[AT(n, v)] || age[AT(n, v)] >= TAKE);
        age[AT(n, v)] = 0;
        k = 0;
        do
        :: k < NODES ->
            if
            :: k != n && w_echo[n * NODES + k] < echo[BY(w_ballot[n], k)] ->
                echo[BY(w_ballot[n], k)] = w_echo[n * NODES + k];
                HEAR_OF(n, k);
                vote_as_promised(k)
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0;
        if
        :: OWN(n, w_ballot[n]) -> vote_as_promised(n)
        :: else
        fi
    :: else
    fi;
    busy[n] = 0; w_ballot[n] = 0;
    ALL(NODES, i, w_echo[n * NODES + i] = 0)
}
#endif

inline claim(n, b) {
    printf("node %d: ballots %d for ring %d\n", n, b, ring[n]);
    drop(n);
    exempt[n] = (MAY_POLL(n) && last[n] && ring_of[joined[n]] == ring[n]);
    ring_of[b] = ring[n];
    promise(n, b);
    granting[n] = CLAIMED;
    last[n] = 0;
#if VOLUMES > 1
    owner[b] = n;
    ALL(VOLUMES, i, back[AT(n, i)] = MIN(age[AT(n, i)], GONE))
#endif
}

/* Whether m has no vote for another ring under a lower ballot, and never will. */
#if VOLUMES == 1
#define OUT(n, m) \
    (m == n || has_joined[BY(joined[n], m)] || (on[n] == 2 && (age[m] >= TAKE || fresh[m])) || \
     (exempt[n] && MAY_POLL(n)))
#else
/* What n has answered it has read: no silence. */
#define HEARD(n, m, b) (owner[b] == n && echo[BY(b, m)] < TAKE)
#if BALLOTS == 2
#define HAS_HEARD(n, m) (HEARD(n, m, 1) || HEARD(n, m, 2))
#elif BALLOTS == 3
#define HAS_HEARD(n, m) (HEARD(n, m, 1) || HEARD(n, m, 2) || HEARD(n, m, 3))
#else
#define HAS_HEARD(n, m) (HEARD(n, m, 1) || HEARD(n, m, 2) || HEARD(n, m, 3) || HEARD(n, m, 4))
#endif
#define OUT(n, m) \
    (m == n || has_joined[BY(joined[n], m)] || !HAS_HEARD(n, m) && \
     seen[SEEN(n, m, 0)] + seen[SEEN(n, m, 1)] + seen[SEEN(n, m, 2)] >= 2 || \
     (exempt[n] && MAY_POLL(n)))
#endif
#if NODES == 2
#define ALL_OUT(n) (OUT(n, 0) && OUT(n, 1))
#else
#define ALL_OUT(n) (OUT(n, 0) && OUT(n, 1) && OUT(n, 2))
#endif

inline grant(n) {
    printf("node %d: grant %d, exempt %d\n", n, joined[n], exempt[n]);
    forget_claim(n);
    granting[n] = GRANTED;
    vote_as_promised(n)
}

/* The block of n that has just landed answers a block of m, of age k. */
inline tell(n, m, v) {
    printf("node %d: block on %d answers %d under %d\n", n, v, m, joined[n]);
    echo[BY(joined[n], m)] = MIN(echo[BY(joined[n], m)], k);
#if VOLUMES == 1
    HEAR_OF(n, m);
#endif
    vote_as_promised(m)
}

inline join(n, b) {
    printf("node %d: joins %d\n", n, b);
    drop(n);
    last[n] = 0; exempt[n] = 0;
    if
#ifdef FORGETFUL
    :: joined[n] == 0
#endif
    :: ring_of[b] != ring[n] -> end_vote(n)
    :: else
    fi;
    promise(n, b)
}

inline tick() {
    i = 0;
    do
    :: i < NODES * VOLUMES ->
        age[i] = MIN(age[i] + 1, SILENT);
        not_fresh(i / VOLUMES, i % VOLUMES);
#ifdef SLOW
        if
        :: busy[i] ->
            ALL(NODES, j, w_echo[i * NODES + j] = MIN(w_echo[i * NODES + j] + 1, GONE))
        :: else
        fi;
#endif
        on[i] = (on[i] > 0 -> 2 : 0);
#if VOLUMES > 1
        back[i] = MIN(back[i] + 1, GONE);
#endif
        i++
    :: else -> break
    od;
    ALL((BALLOTS + 1) * NODES, i, echo[i] = MIN(echo[i] + 1, ECHO_GONE));
    k = 0;
    do
    :: k < NODES ->
        vote[k] = (vote[k] > 0 -> vote[k] - 1 : 0);
        if
        :: !MAY_POLL(k) -> last[k] = 0; exempt[k] = 0
        :: else
        fi;
#if RESTARTS > 0
        quarantine[k] = (quarantine[k] > 0 -> quarantine[k] - 1 : 0);
#endif
        if
        :: granting[k] == CLAIMED && CLAIM_CHAIN(k) > DROP -> drop(k)
        :: granting[k] == GRANTED && CHAIN(k) > DROP -> drop(k)
        :: else
        fi;
        k++
    :: else -> break
    od;
    i = 0; k = 0;
    printf("tick: votes %d %d %d\n", vote[0], vote[1], vote[NODES - 1])
}

#if RESTARTS > 0
/* What was polled last stands, and a write on its way may land or leave a torn block. */
inline restart(n, writes) {
    printf("node %d: starts anew, write landed %d\n", n, writes);
    restarts++;
    drop(n);
    joined[n] = 0; floor[n] = 0; last[n] = 0; exempt[n] = 0;
    vote[n] = MIN(vote[n], TIMEOUT + 1);
#ifndef FORGETFUL
    quarantine[n] = TAKE;
#endif
    unborn[n] = 1;
    ALL(BALLOTS + 1, i, echo[BY(i, n)] = ECHO_GONE);
#ifdef SLOW
    ALL(NODES, i, w_echo[i * NODES + n] = (busy[i] -> GONE : 0));
#endif
    if
    :: writes -> age[AT(n, 0)] = 0
    :: else
    fi
}
#endif

#if VOLUMES > 1
/* One with a claim reads that volume. */
inline observe(n, v) {
    back[AT(n, v)] = MIN(back[AT(n, v)], age[AT(n, v)]);
    i = 0;
    do
    :: i < NODES ->
        if
        :: i == n
        :: i != n && (age[AT(i, v)] >= TAKE || fresh[AT(i, v)]) ->
            seen[SEEN(n, i, v)] = (on[AT(n, v)] == 2)
        :: else -> ALL(VOLUMES, j, seen[SEEN(n, i, j)] = 0)
        fi;
        i++
    :: else -> break
    od;
    i = 0
}
#define READ(n, v) \
    :: d_step { granting[n] == CLAIMED -> observe(n, v); sort_volumes() }
#endif

#define HAS_CLAIMED(n, b) (granting[n] == CLAIMED && joined[n] == b)
#define LAND(n, v) \
    :: d_step { !BUSY(n) && (age[AT(n, v)] > 0 || UNBORN(n) || LANDING_TELLS(n, v)) -> \
        printf("node %d: block on %d\n", n, v); land(n, v); sort_volumes() }
#if NODES == 2
#define CLAIMS(b) (HAS_CLAIMED(0, b) || HAS_CLAIMED(1, b))
#else
#define CLAIMS(b) (HAS_CLAIMED(0, b) || HAS_CLAIMED(1, b) || HAS_CLAIMED(2, b))
#endif
#define LANDING_TELLS(n, v) \
    ((granting[n] == CLAIMED && !on[AT(n, v)]) || \
     (granting[n] != CLAIMED && CLAIMS(joined[n]) && !has_joined[BY(joined[n], n)]))
#define VOUCH(n, m, v) \
    :: d_step { n != m && granting[n] == GRANTED && !BUSY(n) && !UNBORN(m) && \
        (!USELESS(m, joined[n]) || IS_CAST(m, joined[n]) && VOTE(age[m]) > vote[m]) && \
        NEWEST(m) < MIN(echo[BY(joined[n], m)], GONE) -> \
        k = NEWEST(m); land(n, v); tell(n, m, v); k = 0; sort_volumes() }
#ifdef SLOW
#define SLOWLY(n, v) \
    :: d_step { granting[n] == GRANTED && !BUSY(n) -> start_write(n, v) } \
    :: d_step { BUSY(n) -> end_write(n, v, 1) } \
    :: d_step { BUSY(n) -> end_write(n, v, 0) }
#else
#define SLOWLY(n, v)
#endif
#define BALLOT(n, b) \
    :: d_step { ring_of[b] == NO_RING && b > joined[n] && CHAIN(n) <= DROP && RESTED(n) && \
        !UNBORN(n) -> claim(n, b); sort_volumes() } \
    :: d_step { CLAIMS(b) && b > joined[n] && RESTED(n) && !UNBORN(n) -> \
        join(n, b); sort_volumes() }
#define CAST(n, b) \
    :: d_step { ring_of[b] != NO_RING && MAY_VOTE(n, b) -> \
        cast_vote(n, b); sort_volumes() }

#if BALLOTS == 2
#define BALLOTS_OF(n) BALLOT(n, 2) CAST(n, 1) CAST(n, 2)
#elif BALLOTS == 3
#define BALLOTS_OF(n) BALLOT(n, 2) BALLOT(n, 3) CAST(n, 1) CAST(n, 2) CAST(n, 3)
#else
#define BALLOTS_OF(n) \
    BALLOT(n, 2) BALLOT(n, 3) BALLOT(n, 4) CAST(n, 1) CAST(n, 2) CAST(n, 3) CAST(n, 4)
#endif
#if NODES == 2
#define WRITE(n, v) LAND(n, v) VOUCH(n, 0, v) VOUCH(n, 1, v) SLOWLY(n, v)
#else
#define WRITE(n, v) LAND(n, v) VOUCH(n, 0, v) VOUCH(n, 1, v) VOUCH(n, 2, v) SLOWLY(n, v)
#endif
#if VOLUMES == 1
#define IO(n) WRITE(n, 0)
#else
#define IO(n) WRITE(n, 0) WRITE(n, 1) WRITE(n, 2) READ(n, 0) READ(n, 1) READ(n, 2)
#endif
#if RESTARTS > 0
#define RESTART(n) \
    :: d_step { restarts < RESTARTS -> restart(n, 0) } \
    :: d_step { restarts < RESTARTS && age[n] > 0 -> restart(n, 1) }
#else
#define RESTART(n)
#endif

#define NODE(n) \
    /* A new ring ends the vote: the sync phase waits for a poll. */ \
    :: d_step { ring[n] == 0 -> printf("node %d: ring %d\n", n, part[n]); \
        ring[n] = part[n]; end_vote(n); drop(n); vote_as_promised(n); sort_volumes() } \
    IO(n) \
    BALLOTS_OF(n) \
    RESTART(n) \
    :: d_step { granting[n] == CLAIMED && ALL_OUT(n) -> grant(n); sort_volumes() }

/* Node 0 has the grant for ring 0, which will break. */
init {
    atomic {
        part[0] = 1;
#if NODES == 2
        part[1] = 2;
#else
        if
#if SPLIT & 1
        :: part[1] = 1; part[2] = 2
#endif
#if SPLIT & 2
        :: part[1] = 2; part[2] = 2
#endif
#if SPLIT & 4
        :: part[1] = 2; part[2] = 3
#endif
        fi;
#endif
        d_step {
            ALL(NODES, i, joined[i] = 1);
            ALL(BALLOTS + 1, i, ring_of[i] = (i < 2 -> 0 : NO_RING));
            ALL((BALLOTS + 1) * NODES, i, echo[i] = ECHO_GONE);
#if VOLUMES > 1
            ALL(NODES * VOLUMES, i, back[i] = GONE);
#endif
            granting[0] = GRANTED
        }
    }
    do
    :: d_step { tick(); sort_volumes() }
    NODE(0)
    NODE(1)
#if NODES > 2
    NODE(2)
#endif
    od
}
