# A server on OpenSSL that goes on after close_notify: openssl.sh DIR PORT
exec /usr/bin/python3.11 "$(dirname "$0")/openssl_server.py" "$@"
