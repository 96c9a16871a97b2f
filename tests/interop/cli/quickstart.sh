# SPIRE's quick start, word for word, on SPIRE's own sample configurations. Run in a folder with `bin` and `conf`, in mount,
# network and process namespaces of its own: the samples have fixed ports and sockets under /tmp.
set -eu

patiently() {
    for _ in $(seq 300); do
        if "$@" >last.out 2>last.err; then cat last.out; return 0; fi
        sleep 0.1
    done
    echo "never succeeded: $*" >&2
    cat last.out last.err >&2
    return 1
}

# The folder itself may lie under /tmp.
mount --bind . /mnt
mount --bind tmp /tmp
cd /mnt
ip link set lo up

bin/spire-server run -config conf/server/server.conf >server.log 2>&1 &
patiently bin/spire-server healthcheck

token=$(bin/spire-server token generate -spiffeID spiffe://example.org/myagent)
echo "$token"
bin/spire-agent run -config conf/agent/agent.conf -joinToken "${token#Token: }" >agent.log 2>&1 &
patiently bin/spire-agent healthcheck

bin/spire-server entry create -parentID spiffe://example.org/myagent -spiffeID spiffe://example.org/myservice -selector unix:uid:$(id -u)
patiently bin/spire-agent api fetch x509 -write /tmp/
openssl x509 -in /tmp/svid.0.pem -text -noout
openssl verify -CAfile /tmp/bundle.0.pem -untrusted /tmp/svid.0.pem -purpose any /tmp/svid.0.pem

kill %2
wait %2
kill %1
wait %1
