# Courier as a server: courier.sh DIR PORT. Nothing takes mail out of its queue.
set -e
dir=$1 port=$2
echo 'courier:x:4242:4242::/var/lib/courier:/bin/false' >>/etc/passwd
echo 'courier:x:4242:' >>/etc/group
mkdir -p "$dir/courier" /run/courier
echo courier.test | tee /etc/courier/me /etc/courier/defaultdomain >/etc/courier/locals
cp "$dir/pair.pem" /etc/courier/esmtpd.pem
openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 >/etc/courier/dhparams.pem
cd /usr/lib/courier/courier
mv submit submit.courier # its files do not tell their order: what it reads goes to arrived as well
cat >submit <<C
#!/bin/sh
tee -a $dir/courier/arrived | /usr/lib/courier/courier/submit.courier "\$@"
C
chmod 755 submit "$dir" # the folder is root's alone
chown -R courier:courier /var/lib/courier /run/courier /etc/courier "$dir/courier"
ln -s courier/arrived "$dir/arrived"
makealiases
set -a
. /etc/courier/esmtpd
. /etc/courier/courierd
RELAYCLIENT= BOFHCHECKDNS=0
cd /usr
exec /usr/sbin/couriertcpd -stderr="$dir/courier/log" -noidentlookup -nodnslookup -user=courier -group=courier -address=127.0.0.1 -maxprocs=40 -maxperc=40 -maxperip=40 \
	"$port" /usr/sbin/courieresmtpd
