# Sendmail as a server: sendmail.sh DIR PORT
set -e
dir=$1 port=$2
echo 'smmsp:x:4242:4242::/nonexistent:/bin/false' >>/etc/passwd
echo 'smmsp:x:4242:' >>/etc/group
echo "127.0.0.1 $(hostname).test $(hostname) localhost" >/etc/hosts # it waits a minute for a name with a dot
mkdir -p /etc/mail/tls # not below /tmp: it trusts no key there
cp "$dir/cert.pem" "$dir/key.pem" /etc/mail/tls/
chmod 600 /etc/mail/tls/key.pem
mkdir -m 700 "$dir/queue"
echo 'hosts files' >"$dir/service.switch"
cat >"$dir/sendmail.mc" <<C
include(\`/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(\`linux')
define(\`confDOMAIN_NAME', \`sendmail.test')
define(\`QUEUE_DIR', \`$dir/queue')
define(\`STATUS_FILE', \`$dir/statistics')
define(\`confPID_FILE', \`$dir/sendmail.pid')
define(\`confCONTROL_SOCKET_NAME', \`')
define(\`ALIAS_FILE', \`')
define(\`confDELIVERY_MODE', \`queueonly')
define(\`confSERVICE_SWITCH_FILE', \`$dir/service.switch')
define(\`confDONT_PROBE_INTERFACES', \`True')
define(\`confTO_IDENT', \`0')
define(\`confREFUSE_LA', \`1000')
define(\`confQUEUE_LA', \`1000')
define(\`confSERVER_CERT', \`/etc/mail/tls/cert.pem')
define(\`confSERVER_KEY', \`/etc/mail/tls/key.pem')
define(\`confCACERT', \`/etc/mail/tls/cert.pem')
define(\`confCACERT_PATH', \`/etc/mail/tls')
FEATURE(\`promiscuous_relay')
FEATURE(\`accept_unresolvable_domains')
FEATURE(\`nocanonify')
FEATURE(\`no_default_msa')
DAEMON_OPTIONS(\`Name=MTA, Addr=127.0.0.1, Port=$port')
MAILER(\`smtp')
C
m4 "$dir/sendmail.mc" >"$dir/sendmail.cf"
exec /usr/libexec/sendmail/sendmail -bD -C "$dir/sendmail.cf" -X "$dir/arrived"
