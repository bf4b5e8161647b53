#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""diskhbd is killed and started again, then suspended, while the network is up.

The network link must not feel it, and the ring must come back by itself and carry again.
"""
import signal

from scenario import cut_for, detection_ms, run, settle, wait_link
from stream import Stream


def daemon_restart(lab, report):
    stream = Stream(lab, rate=1000, size=1024).start()
    settle(lab, stream)
    network_downs = lab.downs(0)
    victim = lab.nodes[1]
    report.step(f"diskhbd of {victim.name} is killed")
    victim.end_process("diskhbd", signal.SIGKILL)
    wait_link(lab, 1, False, 20, [victim])
    report.step("and started again")
    victim.start_diskhbd()
    wait_link(lab, 1, True, 30)

    report.step("diskhbd of n1 is suspended")
    lab.nodes[0].send_signal("diskhbd", signal.SIGSTOP)
    wait_link(lab, 1, False, 60, [lab.nodes[0]])
    stream.run_for(2)
    report.step("and goes on")
    lab.nodes[0].send_signal("diskhbd", signal.SIGCONT)
    wait_link(lab, 1, True, 30)
    flaps = lab.downs(0) - network_downs
    report.measured("how often the network link went down", flaps)
    report.check(flaps == 0, f"the network link went down {flaps} times")

    settle(lab, stream)
    report.step("cut: the ring carries again")
    cut_for(lab, stream, "all", 5)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 1000)


run("daemon_restart", daemon_restart)
