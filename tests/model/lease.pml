// SPDX-License-Identifier: BSD-3-Clause
/* The quorum lease (diskhb/doc/quorum.md, plugin/quorum) for Spin: no two rings have the vote at one
 * instant, whatever is slow, stalls, crashes, gets lost, is torn or stale, and whoever ballots when.
 *
 * Time goes in ticks of all clocks at once. Between two ticks everything may happen, in any order,
 * any number of times, or not at all: so a stall, a slow device, and a node or volume that is gone
 * are runs in which nothing of that node or volume happens for a while, or for ever. What the code
 * decides by policy (who ballots, when; when to join, to poll, to write) is free here: every choice
 * is tried. Where it saves states, a node is allowed more than the code does, never less:
 *   - silence is counted from when the last block landed, not from when it was seen,
 *   - a holder has heard of all that has landed when it makes a block,
 *   - a node polls with the vote at the last moment that it may.
 *
 * -DNODES= -DVOLUMES= -DBALLOTS= (the first is in force at the start) -DRESTARTS= (daemons that
 * start anew, in all). Mistakes, to be found: -DTAKE=DROP (too short), -DNO_LAG (a holder answers
 * before its block is known to be on a majority), -DFORGETFUL (a daemon that starts anew takes part
 * at once).
 */
#ifndef NODES
#define NODES 3
#endif
#ifndef VOLUMES
#define VOLUMES 1
#endif
#ifndef BALLOTS
#define BALLOTS 2
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#define DROP 2     /* ticks that a block is good for */
#define TIMEOUT 2  /* ticks that votequorum keeps the last poll */
#ifndef TAKE
#define TAKE (DROP + TIMEOUT) /* ticks of silence; one of them is the margin, for stale reads */
#endif
#define MAJORITY (VOLUMES / 2 + 1)

#define NONE 0
#define CLAIMED 1
#define GRANTED 2

#define AT(n, v) ((n) * VOLUMES + (v))                      /* the block of n on v */
#define OF(n, m) ((n) * NODES + (m))                        /* what n knows of m */
#define OFON(n, m, v) (((n) * NODES + (m)) * VOLUMES + (v)) /* ... from v */
#define ECHO(n, v, m) (((n) * VOLUMES + (v)) * NODES + (m)) /* what that block answers to m */

/* Corosync. */
byte ring[NODES];
byte part[NODES]; /* the ring that it will be in */

/* A node. Times are ticks left; ages are ticks passed, up to DROP: too old. What only a node with a
 * ballot or a grant needs is kept at its first value for the others, to save states. */
byte joined[NODES], granting[NODES];
/* Ticks until its vote is gone: it may poll until TIMEOUT - 1 are left. */
byte vote[NODES];
#define VOTE(left) ((left) == 0 -> 0 : (left) + TIMEOUT - 1)
#define MAY_POLL(a) (vote[a] >= TIMEOUT)
bit vote_is_last[NODES]; /* under the grant that was the last it joined */
bit exempt[NODES];
byte chain[NODES]; /* of a node with a ballot or grant; with several volumes, of all */
byte then[NODES * NODES];   /* age of what was heard when the newest block was made */
byte answer[NODES * NODES]; /* of what the next block answers */
bit has_joined[NODES * NODES];
bit silent_on[NODES * NODES * VOLUMES]; /* shown silent, our ballot being there */
bit fresh[NODES * NODES * VOLUMES];     /* landed in this tick, after a silence, and not seen */
bit shows_ballot[NODES * VOLUMES];      /* our ballot was read back from there */
#if VOLUMES > 1
byte made[NODES];          /* age of the newest block, until a majority has it */
bit back[NODES * VOLUMES]; /* it was read back from there */
bit w_newest[NODES * VOLUMES];
byte w_echo[NODES * VOLUMES * NODES];
#else
byte w_age[NODES];
#endif
#if RESTARTS > 0
byte quarantine[NODES];
byte restarts;
bit b_torn[NODES * VOLUMES];
#define RESTED(a) (quarantine[a] == 0)
#define TORN(at) b_torn[at]
#else
#define RESTED(a) true
#define TORN(at) false
#endif

/* The blocks: on the volumes, and on their way. */
byte b_joined[NODES * VOLUMES], b_granting[NODES * VOLUMES];
byte b_age[NODES * VOLUMES]; /* since it landed, up to TAKE */
byte b_echo[NODES * VOLUMES * NODES];
bit w_busy[NODES * VOLUMES];
byte w_joined[NODES * VOLUMES], w_granting[NODES * VOLUMES];

byte ring_of[BALLOTS + 1];
bit used[BALLOTS + 1];
bit started;

/* Scratch, always left at 0. */
byte n, m, v, i, x;

#define ALL(count, k, what) k = 0; do :: k < count -> what; k++ :: else -> break od; k = 0
#define OLDER(age, limit) if :: age < limit -> age++ :: else fi
#define LESS(left) if :: left > 0 -> left-- :: else fi
#define YOUNG(age) (age < DROP -> age : DROP)

inline forget_ballot(a) {
    exempt[a] = 0;
    i = 0;
    do
    :: i < NODES ->
        then[OF(a, i)] = DROP;
        has_joined[OF(a, i)] = 0;
#if VOLUMES == 1
        if
        :: !w_busy[a] -> answer[OF(a, i)] = DROP
        :: else
        fi;
#else
        answer[OF(a, i)] = DROP;
#endif
        ALL(VOLUMES, x, silent_on[OFON(a, i, x)] = 0; fresh[OFON(a, i, x)] = 0);
        i++
    :: else -> break
    od;
    i = 0;
#if VOLUMES == 1
    chain[a] = 0;
#endif
    ALL(VOLUMES, x, shows_ballot[AT(a, x)] = 0)
}

inline end_vote(a) { vote[a] = 0; vote_is_last[a] = 0; exempt[a] = 0 }

inline drop_grant(a) {
    if
    :: granting[a] != NONE -> granting[a] = NONE; forget_ballot(a)
    :: else
    fi
}

/* A new block, with what can be heard until now: an answer when it is known to be there. */
inline make_block(a) {
    if
    :: granting[a] != NONE ->
        i = 0;
        do
        :: i < NODES ->
            if
            :: i != a ->
                then[OF(a, i)] = DROP;
                x = 0;
                do
                :: x < VOLUMES ->
                    if
                    :: b_age[AT(i, x)] < then[OF(a, i)] && !TORN(AT(i, x)) ->
                        then[OF(a, i)] = b_age[AT(i, x)]; fresh[OFON(a, i, x)] = 0;
                        ALL(VOLUMES, v, silent_on[OFON(a, i, v)] = 0)
                    :: else
                    fi;
                    x++
                :: else -> break
                od;
                x = 0
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    :: else
    fi;
#if VOLUMES > 1
    made[a] = 0;
    ALL(VOLUMES, i, back[AT(a, i)] = 0; w_newest[AT(a, i)] = 0)
#endif
}

inline start_write(a, on) {
    w_busy[AT(a, on)] = 1;
    w_joined[AT(a, on)] = joined[a]; w_granting[AT(a, on)] = granting[a];
#if VOLUMES > 1
    w_newest[AT(a, on)] = 1;
    ALL(NODES, i, w_echo[ECHO(a, on, i)] = (granting[a] == GRANTED -> answer[OF(a, i)] : DROP))
#endif
}

inline clear_write(a, on) {
    w_busy[AT(a, on)] = 0; w_joined[AT(a, on)] = 0; w_granting[AT(a, on)] = 0;
#if VOLUMES > 1
    w_newest[AT(a, on)] = 0;
    ALL(NODES, i, w_echo[ECHO(a, on, i)] = 0)
#else
    w_age[a] = 0;
    if
    :: granting[a] == NONE -> ALL(NODES, i, answer[OF(a, i)] = DROP)
    :: else
    fi
#endif
}

#if VOLUMES > 1
#define WRITTEN_ECHO(a, on, i) w_echo[ECHO(a, on, i)]
#else
#ifdef NO_LAG
#define WRITTEN_ECHO(a, on, i) then[OF(a, i)]
#else
#define WRITTEN_ECHO(a, on, i) answer[OF(a, i)]
#endif
#endif

inline show_new(a, on) {
    ALL(NODES, i, fresh[OFON(i, a, on)] = (i != a && granting[i] != NONE && (b_age[AT(a, on)] >= TAKE || fresh[OFON(i, a, on)])));
    b_age[AT(a, on)] = 0
}

inline land(a, on) {
    printf("node %d: block with ballot %d granting %d lands on %d\n", a, w_joined[AT(a, on)],
           w_granting[AT(a, on)], on);
    b_joined[AT(a, on)] = w_joined[AT(a, on)]; b_granting[AT(a, on)] = w_granting[AT(a, on)];
#if RESTARTS > 0
    b_torn[AT(a, on)] = 0;
#endif
    ALL(NODES, i, b_echo[ECHO(a, on, i)] = (w_granting[AT(a, on)] == GRANTED -> WRITTEN_ECHO(a, on, i) : DROP));
    show_new(a, on)
}

/* What has just landed is read back. */
inline read_back(a, on) {
    printf("node %d: reads it back\n", a);
    if
    :: granting[a] != NONE && w_granting[AT(a, on)] != NONE && w_joined[AT(a, on)] == joined[a] ->
        shows_ballot[AT(a, on)] = 1
    :: else
    fi;
#if VOLUMES > 1
    back[AT(a, on)] = w_newest[AT(a, on)];
    x = 0;
    i = 0;
    do
    :: i < VOLUMES -> x = x + back[AT(a, i)]; i++
    :: else -> break
    od;
    i = made[a];
#else
    x = 1;
    i = w_age[a];
#endif
    if
    :: x >= MAJORITY && (VOLUMES > 1 || granting[a] != NONE) ->
        if
        :: DROP - i > chain[a] -> chain[a] = DROP - i
        :: else
        fi;
        if
        :: granting[a] == GRANTED && VOTE(chain[a]) > vote[a] ->
            vote[a] = VOTE(chain[a]); vote_is_last[a] = 1
        :: else
        fi;
        if
        :: granting[a] != NONE ->
            ALL(NODES, i, answer[OF(a, i)] = then[OF(a, i)]; then[OF(a, i)] = DROP)
        :: else
        fi;
#if VOLUMES > 1
        made[a] = DROP;
        ALL(VOLUMES, i, back[AT(a, i)] = 0; w_newest[AT(a, i)] = 0)
#endif
    :: else
    fi;
    i = 0; x = 0
}

/* Whether that block shows nothing new, for so long that its node has no vote. */
#define SHOWN_SILENT(a, who, on, stale) \
    (shows_ballot[AT(a, on)] && (b_age[AT(who, on)] >= TAKE || (stale && fresh[OFON(a, who, on)])))

/* One with a ballot looks after the others. */
inline look_after(a, who, on, stale) {
    if
    :: SHOWN_SILENT(a, who, on, stale) -> silent_on[OFON(a, who, on)] = 1
    :: else ->
        fresh[OFON(a, who, on)] = 0;
        if
        :: b_age[AT(who, on)] < TAKE -> ALL(VOLUMES, i, silent_on[OFON(a, who, i)] = 0)
        :: else
        fi;
        if
        :: b_joined[AT(who, on)] == joined[a] && !TORN(AT(who, on)) -> has_joined[OF(a, who)] = 1
        :: else
        fi
    fi
}

/* The vote that an intact block there gives. */
#define GIVES_VOTE(a, who, on) \
    (b_granting[AT(who, on)] == GRANTED && ring_of[b_joined[AT(who, on)]] == ring[a] && \
     (b_joined[AT(who, on)] >= joined[a] || ring_of[joined[a]] == ring[a]) && \
     VOTE(DROP - b_echo[ECHO(who, on, a)]) > vote[a] && (VOLUMES == 1 || VOTE(chain[a]) > vote[a]))

inline take_vote(a, who, on) {
    printf("node %d: votes in ring %d under %d's ballot %d\n", a, ring[a], who,
           b_joined[AT(who, on)]);
    x = DROP - b_echo[ECHO(who, on, a)];
#if VOLUMES > 1
    if
    :: x > chain[a] -> x = chain[a]
    :: else
    fi;
#endif
    vote[a] = VOTE(x);
    x = 0;
    if
    :: b_joined[AT(who, on)] > joined[a] -> joined[a] = b_joined[AT(who, on)]; drop_grant(a)
    :: else
    fi;
    vote_is_last[a] = (b_joined[AT(who, on)] == joined[a])
}

/* One read of the whole table of volume `on`. Stale: one in this tick that shows the last one. */
inline read_table(a, on, stale) {
    m = 0;
    do
    :: m < NODES ->
        if
        :: m == a
        :: else ->
            if
            :: granting[a] == CLAIMED -> look_after(a, m, on, stale)
            :: else
            fi;
            if
            :: !TORN(AT(m, on)) && GIVES_VOTE(a, m, on) -> take_vote(a, m, on)
            :: else
            fi
        fi;
        m++
    :: else -> break
    od;
    m = 0
}

/* Whether such a read brings anything. */
#define NEWS(a, who, on) \
    ((granting[a] == CLAIMED && \
      (SHOWN_SILENT(a, who, on, false) -> !silent_on[OFON(a, who, on)] \
       : (silent_on[OFON(a, who, on)] || \
          (b_joined[AT(who, on)] == joined[a] && !has_joined[OF(a, who)])))) || \
     (!TORN(AT(who, on)) && GIVES_VOTE(a, who, on)))
#define STALE(a, who, on) \
    (granting[a] == CLAIMED && fresh[OFON(a, who, on)] && shows_ballot[AT(a, on)] && \
     !silent_on[OFON(a, who, on)])

/* May it join the open ballot b? It polls without the vote first, if it votes elsewhere. */
#define MAY_JOIN(a, b) \
    (b > joined[a] && RESTED(a) && (granting[a] != GRANTED || ring_of[b] == ring[a]))
#define OPEN(a, who, on) \
    (!TORN(AT(who, on)) && b_granting[AT(who, on)] != NONE && MAY_JOIN(a, b_joined[AT(who, on)]))

inline join(a, b) {
    printf("node %d: joins %d\n", a, b);
    joined[a] = b;
    drop_grant(a);
    vote_is_last[a] = 0;
    if
    :: ring_of[b] != ring[a] -> end_vote(a)
    :: else
    fi
}

inline join_there(a, who, on) {
    read_table(a, on, false);
    if
    :: OPEN(a, who, on) -> m = b_joined[AT(who, on)]; join(a, m); m = 0
    :: else
    fi
}

/* Whether that node has no vote for another ring under a lower ballot, and never will. */
#if VOLUMES == 1
#define SILENT(a, who) silent_on[OF(a, who)]
#else
#define SILENT(a, who) \
    (silent_on[OFON(a, who, 0)] + silent_on[OFON(a, who, 1)] + silent_on[OFON(a, who, 2)] >= MAJORITY)
#endif
#define CLEARED(a, who) (has_joined[OF(a, who)] || SILENT(a, who) || (exempt[a] && MAY_POLL(a)))

/* Its blocks arrive in time, and no former life of it is in the way. */
#if VOLUMES == 1
#define READY(a) \
    (RESTED(a) && (chain[a] > 0 || (b_age[a] < DROP && !w_busy[a] && !TORN(a))))
#else
#define READY(a) (RESTED(a) && chain[a] > 0)
#endif

/* With ballot b. */
inline claim(a, b) {
    printf("node %d: ballots %d for ring %d\n", a, b, ring[a]);
    used[b] = 1; ring_of[b] = ring[a];
    exempt[a] = (MAY_POLL(a) && vote_is_last[a] && ring_of[joined[a]] == ring[a]);
    vote_is_last[a] = 0;
    joined[a] = b;
#if VOLUMES == 1
    if
    :: granting[a] == NONE -> chain[a] = DROP - b_age[a]
    :: else
    fi;
#endif
    granting[a] = CLAIMED;
    i = 0;
    do
    :: i < NODES ->
        has_joined[OF(a, i)] = 0;
        ALL(VOLUMES, x, silent_on[OFON(a, i, x)] = 0);
        i++
    :: else -> break
    od;
    i = 0;
    ALL(VOLUMES, x, shows_ballot[AT(a, x)] = 0)
}

inline tick_block(a, on) {
    OLDER(b_age[AT(a, on)], TAKE);
    ALL(NODES, m, fresh[OFON(m, a, on)] = 0);
    ALL(NODES, m, OLDER(b_echo[ECHO(a, on, m)], DROP));
#if VOLUMES > 1
    if
    :: w_busy[AT(a, on)] -> ALL(NODES, m, OLDER(w_echo[ECHO(a, on, m)], DROP))
    :: else
    fi
#else
    if
    :: w_busy[AT(a, on)] -> OLDER(w_age[a], DROP)
    :: else
    fi
#endif
}

inline tick_node(a) {
    LESS(vote[a]);
    if
    :: !MAY_POLL(a) -> vote_is_last[a] = 0; exempt[a] = 0
    :: else
    fi;
    ALL(NODES, m, OLDER(then[OF(a, m)], DROP); OLDER(answer[OF(a, m)], DROP));
#if VOLUMES > 1
    OLDER(made[a], DROP);
#endif
#if RESTARTS > 0
    LESS(quarantine[a]);
#endif
    LESS(chain[a]);
    if
    :: chain[a] == 0 -> drop_grant(a)
    :: else
    fi;
    v = 0;
    do
    :: v < VOLUMES -> tick_block(a, v); v++
    :: else -> break
    od;
    v = 0
}

#if RESTARTS > 0
/* Daemon a starts anew. Its writes on their way land, get lost, or leave a torn block. What it
 * polled last stands. */
inline restart(a) {
    v = 0;
    do
    :: v < VOLUMES ->
        if
        :: w_busy[AT(a, v)] ->
            if
            :: land(a, v)
            :: b_torn[AT(a, v)] = 1; show_new(a, v)
            :: true
            fi;
            clear_write(a, v)
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0;
    joined[a] = 0; granting[a] = NONE; forget_ballot(a);
    chain[a] = 0; vote_is_last[a] = 0;
    if
    :: MAY_POLL(a) -> vote[a] = TIMEOUT
    :: else
    fi;
#if VOLUMES > 1
    made[a] = DROP;
    ALL(VOLUMES, i, back[AT(a, i)] = 0);
#endif
#ifndef FORGETFUL
    quarantine[a] = TAKE
#endif
}
#endif

#define SELF _pid
#define NEXT ((_pid + 1) % NODES)
#define LAST ((_pid + NODES - 1) % NODES)

/* The law. */
inline check() {
    i = 0;
    do
    :: i < NODES ->
        assert(vote[i] == 0 || vote[SELF] == 0 || ring[i] == ring[SELF]);
        i++
    :: else -> break
    od;
    i = 0
}

/* One request at a time on each volume; it may end late, or never. Of the blocks of a node without
 * ballot or grant nothing is gained when they are late. */
#if VOLUMES == 1
#define WRITE(on) \
    :: d_step { \
        !w_busy[SELF] && granting[SELF] == NONE && \
        (b_joined[SELF] != joined[SELF] || b_granting[SELF] != NONE || b_age[SELF] > 0 || \
         TORN(SELF)) -> \
        start_write(SELF, on); land(SELF, on); clear_write(SELF, on) } \
    :: d_step { !w_busy[SELF] && granting[SELF] != NONE -> make_block(SELF); start_write(SELF, on); \
        printf("node %d: writes\n", SELF) }
#else
#define WRITE(on) \
    :: d_step { !w_busy[AT(SELF, on)] && made[SELF] < DROP && !back[AT(SELF, on)] -> \
        start_write(SELF, on) }
#endif
#define IO(on) \
    WRITE(on) \
    :: d_step { w_busy[AT(SELF, on)] -> \
        land(SELF, on); read_back(SELF, on); clear_write(SELF, on); check() } \
    :: d_step { w_busy[AT(SELF, on)] -> land(SELF, on); clear_write(SELF, on) } \
    :: d_step { w_busy[AT(SELF, on)] -> clear_write(SELF, on) /* done, but lost */ } \
    :: d_step { !w_busy[AT(SELF, on)] && (NEWS(SELF, NEXT, on) || NEWS(SELF, LAST, on)) -> \
        read_table(SELF, on, false); check() } \
    :: d_step { !w_busy[AT(SELF, on)] && (STALE(SELF, NEXT, on) || STALE(SELF, LAST, on)) -> \
        read_table(SELF, on, true); check() } \
    :: d_step { !w_busy[AT(SELF, on)] && OPEN(SELF, NEXT, on) -> \
        join_there(SELF, NEXT, on); check() } \
    :: d_step { !w_busy[AT(SELF, on)] && OPEN(SELF, LAST, on) && NODES > 2 -> \
        join_there(SELF, LAST, on); check() }

inline pick_ballot() {
    x = joined[SELF] + 1;
    do :: x < BALLOTS -> x++ :: break od
}

active [NODES] proctype node() {
    started;
    do
    /* Corosync finds its new ring, which ends the vote: the sync phase waits for a poll. And the
     * grant, or a ballot for the new ring begins at once. */
    :: d_step { ring[SELF] == 0 ->
        ring[SELF] = part[SELF]; end_vote(SELF); drop_grant(SELF);
        printf("node %d: ring %d\n", SELF, ring[SELF]) }
    :: atomic { ring[SELF] == 0 && granting[SELF] != NONE && joined[SELF] < BALLOTS ->
        pick_ballot();
        if
        :: d_step { !used[x] ->
            ring[SELF] = part[SELF]; end_vote(SELF);
            m = x; x = 0; claim(SELF, m); m = 0 }
        :: else -> x = 0
        fi }
    /* A ballot of its own for its ring, whatever it has been doing. */
    :: atomic { READY(SELF) && joined[SELF] < BALLOTS ->
        pick_ballot();
        if
        :: d_step { !used[x] -> m = x; x = 0; claim(SELF, m); m = 0 }
        :: else -> x = 0
        fi }
    :: d_step { granting[SELF] == CLAIMED && CLEARED(SELF, NEXT) && CLEARED(SELF, LAST) ->
        granting[SELF] = GRANTED;
        printf("node %d: grant %d, joined %d %d, silent %d %d, exempt %d\n", SELF, joined[SELF],
               has_joined[OF(SELF, NEXT)], has_joined[OF(SELF, LAST)], SILENT(SELF, NEXT),
               SILENT(SELF, LAST), exempt[SELF]);
        exempt[SELF] = 0;
        i = 0;
        do
        :: i < NODES ->
            has_joined[OF(SELF, i)] = 0;
            ALL(VOLUMES, x, silent_on[OFON(SELF, i, x)] = 0);
            i++
        :: else -> break
        od;
        i = 0 }
#if VOLUMES > 1
    :: d_step { made[SELF] > 0 || back[AT(SELF, 0)] || back[AT(SELF, 1)] || back[AT(SELF, 2)] ->
        make_block(SELF) }
#endif
    IO(0)
#if VOLUMES == 3
    IO(1)
    IO(2)
#endif
#if RESTARTS > 0
    :: atomic { restarts < RESTARTS -> restarts++; restart(SELF) }
#endif
    od
}

/* Node 0 holds ballot 1 for ring 0, and all know. */
inline start() {
    n = 0;
    do
    :: n < NODES ->
        joined[n] = 1;
        forget_ballot(n);
        chain[n] = (VOLUMES > 1 || n == 0 -> DROP : 0);
#if VOLUMES > 1
        made[n] = DROP;
#endif
        v = 0;
        do
        :: v < VOLUMES ->
            b_joined[AT(n, v)] = 1;
            b_granting[AT(n, v)] = (n == 0 -> GRANTED : NONE);
            ALL(NODES, m, b_echo[ECHO(n, v, m)] = (n == 0 && m != 0 -> 0 : DROP));
            v++
        :: else -> break
        od;
        v = 0;
        n++
    :: else -> break
    od;
    n = 0;
    granting[0] = GRANTED; vote[0] = VOTE(DROP); vote_is_last[0] = 1;
    m = 1;
    do
    :: m < NODES -> answer[OF(0, m)] = 0; m++
    :: else -> break
    od;
    m = 0;
    used[0] = 1; used[1] = 1
}

/* The ring will break: 0 | 1 with two nodes; 0 1 | 2 or 0 | 1 2 with three. */
active proctype time() {
    atomic {
        part[0] = 1;
#if NODES == 2
        part[1] = 2;
#else
        if
        :: part[1] = 1; part[2] = 2
        :: part[1] = 2; part[2] = 2
        fi;
#endif
        d_step { start() };
        started = 1
    }
    do
    :: d_step {
        ALL(NODES, n, tick_node(n));
        printf("tick: votes %d %d %d chains %d %d %d\n", vote[0], vote[1], vote[NODES - 1], chain[0],
               chain[1], chain[NODES - 1])
    }
    od
}
