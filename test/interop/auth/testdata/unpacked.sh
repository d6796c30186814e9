# Lets Debian's Exim run from its unpacked package, in a mount namespace of its
# own: it is set-uid and wants an account and a configuration where it was built
# to find them, and the machine is to keep none of that. To be sourced with exim,
# libidn (the packages' trees) and dir set; sets home, which has spool and log.
cp "$exim/usr/sbin/exim4" "$dir/exim4"
chmod 4755 "$dir/exim4"
cp /etc/passwd /etc/group /etc/ld.so.cache "$dir/"
echo 'Debian-exim:x:4242:4242::/nonexistent:/bin/false' >>"$dir/passwd"
echo 'Debian-exim:x:4242:' >>"$dir/group"
mount --bind "$dir/passwd" /etc/passwd
mount --bind "$dir/group" /etc/group
mount -t tmpfs none /usr/local/lib
cp -L "$libidn"/usr/lib/*/libidn.so.12 /usr/local/lib/
ldconfig -C "$dir/ld.so.cache" /usr/local/lib
mount --bind "$dir/ld.so.cache" /etc/ld.so.cache
mount -t tmpfs none /var/lib
home=/var/lib/exim4
mkdir -p $home/spool $home/log
chown 4242:4242 $home $home/spool $home/log
