# SPDX-License-Identifier: BSD-3-Clause
"""Serves a folder by HTTP on port 80 and by HTTPS on port 443: web_server.py FOLDER CERT KEY."""
import functools
import http.server
import socket
import socketserver
import ssl
import sys
import threading


class Server(http.server.ThreadingHTTPServer):
    """On all addresses of both IP versions."""
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's, which asks a name server that is not there.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "web", self.server_address[1]


def main(folder, certificate, key):
    """Serves until it is killed."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.func.protocol_version = "HTTP/1.1"
    plain = Server(("::", 80), handler)
    secure = Server(("::", 443), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True,
                                        do_handshake_on_connect=False)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    plain.serve_forever()


main(*sys.argv[1:])
