# Haraka as a server: haraka.sh DIR PORT NPM, the folder whose node_modules it is in.
set -e
dir=$1 port=$2 npm=$3
mkdir -p "$dir/haraka/plugins/queue"
cp -r "$npm/node_modules/Haraka/config" "$dir/haraka/config" # it ends at the first connection without these
cp "$(dirname "$0")/haraka_keep.js" "$dir/haraka/plugins/queue/keep.js"
cd "$dir/haraka/config"
echo haraka.test >me
echo y.example >host_list
printf 'listen=127.0.0.1:%s\nnodes=0\n' "$port" >smtp.ini
printf 'key=%s/key.pem\ncert=%s/cert.pem\n' "$dir" "$dir" >tls.ini
openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 >dhparams.pem # else it makes its own, beside its first sessions
printf 'tls\nrcpt_to.in_host_list\nqueue/keep\n' >plugins
ARRIVED=$dir/arrived exec node "$npm/node_modules/Haraka/bin/haraka" -c "$dir/haraka"
