"""A small SMTP server straight on OpenSSL (Python's ssl): DIR PORT.

It answers close_notify with its own (SSL_shutdown) and goes on in clear, as
chapter 38 hopes that servers do. It appends what arrives to DIR/arrived.
"""
import socketserver
import ssl
import sys

folder, port = sys.argv[1], int(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/pair.pem")


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.sock, self.rest, self.tls = self.request, b"", False
        self.say("220 openssl.test")
        while True:
            line = self.line()
            if line is None and self.tls:
                self.sock, self.rest, self.tls = self.sock.unwrap(), b"", False
                continue
            if line is None:
                return
            verb = line[:4].upper()
            if verb == b"EHLO":
                offer = "" if self.tls else "250-STARTTLS\r\n"
                self.say("250-openssl.test\r\n" + offer + "250 PIPELINING")
            elif verb == b"STAR":
                self.say("220 go ahead")
                self.sock, self.tls = context.wrap_socket(self.sock, server_side=True, suppress_ragged_eofs=False), True
            elif verb == b"DATA":
                self.say("354 go ahead")
                self.take()
                self.say("250 OK")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 OK")

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def line(self):
        """The next line without its end; None at a close_notify or the end."""
        while b"\r\n" not in self.rest:
            more = self.sock.recv(8192)
            if not more:
                return None
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def take(self):
        with open(folder + "/arrived", "ab") as f:
            while (line := self.line()) != b".":
                f.write(line + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", port), Session).serve_forever()
