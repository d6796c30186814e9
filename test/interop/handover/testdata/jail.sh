# Runs a server from unpacked Debian packages as if they were installed, in
# mount and process namespaces of its own; the machine keeps none of it.
#
#   unshare -m -p -f --kill-child --mount-proc sh jail.sh WORK TREES SCRIPT...
#
# WORK is an empty folder, TREES are the packages' folders, separated by colons.
set -e
work=$1 trees=$2
shift 2
mount -t tmpfs none "$work"
for d in usr etc var run; do
	lower=/$d
	for tree in $(echo "$trees" | tr : ' '); do
		[ ! -d "$tree/$d" ] || lower=$tree/$d:$lower
	done
	mkdir "$work/$d" "$work/work.$d"
	mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/$d,workdir=$work/work.$d" "/$d"
done
# Not exec: this shell is to be the first process of the namespace. A set-uid
# program in its place would outlive the parent's end (prctl(2), PR_SET_PDEATHSIG).
"$@"
exit
