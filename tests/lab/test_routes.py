#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Browsing through the volume: a node whose network is cut loads from a web server that lies beyond
its peer, by HTTP and HTTPS, IPv4 and IPv6, with curl and with Chromium; downloads that run when the
network goes and when it comes back are completed; the route returns; nothing is left behind.

Downloads are 100 MB; some that add little are 10 MB in the short run, and the network is cut once.
"""
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib

from outside import ADDRESS, ADDRESS6, Outside, route_toml
from sandbox import wait_until
from scenario import SOAK, run, settle, wait_link
from stream import Stream

BYTES = 100_000_000
# Of a download that only shows that it works.
BYTES_SHORT = BYTES if SOAK else 10_000_000
# A download that is under way while the network goes: this many bytes a second.
SLOW = 12_000_000
CUTS = 5 if SOAK else 1
BROWSERS = ("chromium-headless-shell", "chromium")
PIXEL = (12, 200, 99)
PAGE = """<!doctype html><title>loading</title>
<img id="picture" src="picture.png"><p id="said">nothing</p>
<script src="script.js"></script>
"""
# Says what a browser alone can know: the picture's size and the colour of a pixel of it.
SCRIPT = """
window.onload = async () => {
    const picture = document.getElementById('picture');
    const canvas = document.createElement('canvas');
    canvas.width = picture.naturalWidth;
    canvas.height = picture.naturalHeight;
    const paper = canvas.getContext('2d');
    paper.drawImage(picture, 0, 0);
    const pixel = Array.from(paper.getImageData(5, 5, 1, 1).data).slice(0, 3).join(',');
    const text = await (await fetch('fetched.txt')).text();
    document.getElementById('said').textContent =
        `picture ${canvas.width}x${canvas.height} of ${pixel}, fetched ${text.trim()}`;
};
"""
SAID = f"picture 320x200 of {','.join(map(str, PIXEL))}, fetched by-script"


def picture(width, height):
    """A PNG of one colour."""
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    rows = (b"\0" + bytes(PIXEL) * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def fill(folder):
    """What the server has; returns the hashes of the large file and the small one."""
    block = os.urandom(1 << 20)
    content = (block * (BYTES // len(block) + 1))[:BYTES]
    files = {"blob": content, "small": content[:BYTES_SHORT], "index.html": PAGE.encode(),
             "script.js": SCRIPT.encode(), "picture.png": picture(320, 200),
             "fetched.txt": b"by-script\n"}
    for name, bytes_of in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(bytes_of)
    return {name: (len(files[name]), hashlib.sha256(files[name]).hexdigest())
            for name in ("blob", "small")}


class Browsing:
    """One node and the web server."""

    def __init__(self, lab, report, web, files):
        self.lab = lab
        self.report = report
        self.node = lab.nodes[0]
        self.web = web
        self.files = files

    def status(self, node=None):
        """The routes as `diskhb status` has them, by name."""
        node = node or self.node
        text = node.run([self.lab.binary("diskhb/tools/diskhb"), "status", "--json"]).stdout
        return {route["name"]: route for route in json.loads(text)["routes"]}

    def ways(self):
        """Which way each route goes."""
        return [route["way"] for route in self.status().values()]

    def wait_way(self, way, timeout_s):
        """Waits until all routes go this way; returns how long it took, in ms."""
        began = time.monotonic()
        wait_until(lambda: set(self.ways()) == {way}, timeout_s, f"all routes to go by {way}", 0.05)
        return (time.monotonic() - began) * 1000

    def start_download(self, url, limit=None):
        """curl, its output hashed."""
        options = ["--limit-rate", str(limit)] if limit else []
        curl = ["curl", "-sS", "--max-time", "300", "--cacert", self.web.certificate, *options, url]
        return self.node.popen(["sh", "-c", '"$@" | sha256sum', "sh", *curl], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, download, what, name="blob"):
        """Its bytes must be the file's."""
        out, error = download.communicate(timeout=330)
        self.report.check(out.split()[:1] == [self.files[name][1]],
                          f"{what}: not the bytes of the file: {error.strip()}")

    def load(self, server, what, name="blob"):
        """A whole download; prints its rate."""
        size = self.files[name][0]
        began = time.monotonic()
        self.finish(self.start_download(f"{server}/{name}"), what, name)
        seconds = time.monotonic() - began
        self.report.measured(f"{what}: {size / 1e6:.0f} MB, MB/s", f"{size / seconds / 1e6:.1f}")

    def browse(self, url, what):
        """Chromium renders the page and runs its script."""
        browser = next((shutil.which(name) for name in BROWSERS if shutil.which(name)), None)
        if not browser:
            self.report.check(False, f"{what}: none of {', '.join(BROWSERS)} is installed")
            return
        began = time.monotonic()
        profile = os.path.join(self.lab.dir, "profile")
        done = self.node.run([browser, "--headless", "--no-sandbox", "--disable-gpu",
                              "--disable-dev-shm-usage", "--ignore-certificate-errors",
                              f"--user-data-dir={profile}", "--virtual-time-budget=20000",
                              "--dump-dom", url], check=False, timeout_s=120)
        self.report.measured(f"{what}: rendered in [s]", f"{time.monotonic() - began:.1f}")
        self.report.check(SAID in done.stdout,
                          f"{what}: the page says {done.stdout[-300:]!r}, not {SAID!r}; "
                          f"{done.stderr[-300:]!r}")


def routes(lab, report):
    web = Outside(lab, lab.node("n2"))
    browsing = Browsing(lab, report, web, fill(web.folder))
    web.serve()
    http, https = f"http://{ADDRESS}", f"https://{ADDRESS}"
    browsing.wait_way("gateway", 10)
    report.step("by the network")
    browsing.load(http, "by the network, HTTP")
    stream = Stream(lab, rate=100, size=256).start()
    settle(lab, stream)

    for number in range(CUTS):
        report.step(f"cut the network of n1 under a download ({number + 1} of {CUTS})")
        download = browsing.start_download(f"{http}/blob", SLOW)
        time.sleep(2)
        lab.cut("n1")
        report.measured("the route went over the ring after [ms]",
                        f"{browsing.wait_way('ring', 10):.0f}")
        browsing.finish(download, "a download over the cut")
        wait_link(lab, 0, False, 20, [lab.nodes[0]])
        report.step("give it back under a download")
        download = browsing.start_download(f"{https}/blob", SLOW)
        time.sleep(2)
        lab.heal("n1")
        report.measured("the route was back after [ms]",
                        f"{browsing.wait_way('gateway', 20):.0f}")
        browsing.finish(download, "a download over the return")
        wait_link(lab, 0, True, 30)
        stream.run_for(11)

    report.step("cut the whole network: the cluster and the browser share the ring")
    lab.cut("all")
    browsing.wait_way("ring", 10)
    wait_link(lab, 0, False, 20)
    browsing.load(http, "over the ring, HTTP")
    browsing.load(https, "over the ring, HTTPS", "small")
    browsing.load(f"http://[{ADDRESS6}]", "over the ring, HTTP by IPv6", "small")
    browsing.browse(f"{http}/index.html", "Chromium over the ring, HTTP")
    browsing.browse(f"{https}/index.html", "Chromium over the ring, HTTPS")
    carried = browsing.status(lab.node("n2"))["internet"]["carried_for"]
    report.check(all(each["now"] for each in carried), f"n2 does not say that it carries: {carried}")
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    check_refusals(browsing)
    check_what_is_left(browsing)
    lab.heal("all")
    report.measured("the route was back after [ms]", f"{browsing.wait_way('gateway', 20):.0f}")
    browsing.load(http, "by the network again, HTTP")


def counters(browsing, node):
    """What the interface of the routes counts on a node."""
    text = node.run([browsing.lab.binary("diskhb/tools/diskhb"), "status", "--json"]).stdout
    return json.loads(text)["rings"][0]["routed"]


def check_refusals(browsing):
    """Only what is configured passes, and the rest is counted."""
    before = counters(browsing, browsing.node)
    for source, address in (("host!10.77.1.1", ADDRESS), ("if!dhb0r", "10.77.0.2")):
        browsing.node.run(["curl", "-s", "-m", "1", "--interface", source, f"http://{address}/"],
                          check=False)
    after = counters(browsing, browsing.node)
    browsing.report.check(after["dropped_not_configured"] > before["dropped_not_configured"],
                          "a packet from another address was not dropped and counted")
    browsing.report.check(after["dropped_cluster_address"] > before["dropped_cluster_address"],
                          "a packet between addresses of Corosync was not dropped and counted")


def left(node):
    """Routes with our protocol number, and our rules by their numbers."""
    lines = []
    for version in ("-4", "-6"):
        lines += node.run(["ip", version, "route", "show", "table", "all", "proto", "217"],
                          check=False).stdout.splitlines()
        lines += [rule for rule in node.run(["ip", version, "rule"]).stdout.splitlines()
                  if rule.startswith(("21600:", "21700:"))]
    return "\n".join(lines)


def check_what_is_left(browsing):
    """A crash leaves nothing for long, a stop nothing at all."""
    report, node, carrier = browsing.report, browsing.node, browsing.lab.node("n2")
    report.step("kill diskhbd on n1, start it again, stop it on n2")
    report.check("dhb0r" in left(node), f"no route over the ring: {left(node)!r}")
    node.end_process("diskhbd", signal.SIGKILL)
    report.check("dhb0r" not in left(node), f"after SIGKILL: {left(node)!r}")
    node.start_diskhbd()
    browsing.wait_way("ring", 20)
    browsing.load(f"http://{ADDRESS}", "after a crash and a start", "small")
    report.check("21700:" in left(carrier), "n2 has no rule for what it carries")
    carrier.end_process("diskhbd")
    report.check(left(carrier) == "", f"after a stop: {left(carrier)!r}")
    carrier.start_diskhbd()
    browsing.wait_way("ring", 20)
    browsing.load(f"http://{ADDRESS}", "after the carrier's stop and start", "small")


run("routes", routes, nodes=3, ring_options=route_toml())
