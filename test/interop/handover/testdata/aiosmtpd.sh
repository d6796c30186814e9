# aiosmtpd on Python's asyncio and OpenSSL: aiosmtpd.sh DIR PORT
exec /usr/bin/python3.11 "$(dirname "$0")/aiosmtpd_server.py" "$@"
