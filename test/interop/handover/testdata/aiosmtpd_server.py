"""aiosmtpd with STARTTLS: DIR PORT. It appends what arrives to DIR/arrived."""
import asyncio
import ssl
import sys

from aiosmtpd.smtp import SMTP

folder, port = sys.argv[1], int(sys.argv[2])


class Handler:
    async def handle_DATA(self, server, session, envelope):
        with open(folder + "/arrived", "ab") as f:
            f.write(envelope.content)
        return "250 OK"


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/pair.pem")


async def main():
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="aiosmtpd.test", tls_context=context), "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
