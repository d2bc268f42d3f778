#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""agent.py SOCKET DIR: an agent that answers what it is told to.

"GET /v1/flows" is answered by DIR/GET.v1.flows: the status on the first line, then the body.
Every request is written to DIR/requests: method, path with query, and the body.
"""
import http.server
import os
import socketserver
import sys

socket, folder = sys.argv[1:]


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(os.path.join(folder, "requests"), "ab") as log:
            log.write(("%s %s " % (self.command, self.path)).encode() + body + b"\n")
        name = self.command + self.path.split("?")[0].replace("/", ".")
        try:
            with open(os.path.join(folder, name)) as f:
                status, text = f.read().split("\n", 1)
        except FileNotFoundError:
            status, text = "404", '{"title":"no such path","complaints":[]}'
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PUT = do_POST = answer

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass


class Server(socketserver.UnixStreamServer):
    def handle_error(self, request, client_address):
        pass  # a caller who hung up


with Server(socket, Answer) as server:
    server.serve_forever()
