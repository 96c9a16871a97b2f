# shellcheck shell=bash
# The bed's certificates and the configuration of each component.

# shellcheck disable=SC2153
# certificate NAME SUBJECT [SAN]: a key and a certificate of the cluster's CA.
certificate() {
    local pki=$DIR/pki ext
    ext=$'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth'
    [[ -z ${3-} ]] || ext+=$'\n'"subjectAltName=$3"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
        -keyout "$pki/$1.key" 2>/dev/null |
        openssl x509 -req -days 30 -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial \
            -extfile <(printf '%s\n' "$ext") -out "$pki/$1.crt" 2>/dev/null
}

# kubeconfig NAME: a client configuration with the certificate of that name.
kubeconfig() {
    jq -n --arg api "$API" --arg pki "$DIR/pki" --arg name "$1" --arg cluster "steeple-$NAME" '{
        apiVersion: "v1", kind: "Config", "current-context": $cluster,
        clusters: [{name: $cluster, cluster: {server: $api, "certificate-authority": "\($pki)/ca.crt"}}],
        users: [{name: $cluster, user: {"client-certificate": "\($pki)/\($name).crt", "client-key": "\($pki)/\($name).key"}}],
        contexts: [{name: $cluster, context: {cluster: $cluster, user: $cluster}}]}' >"$DIR/conf/$1.kubeconfig"
}

pki() {
    local pki=$DIR/pki ca
    for ca in ca front-proxy-ca; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=steeple-cluster $NAME $ca" \
            -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$pki/$ca.key" -out "$pki/$ca.crt" 2>/dev/null
    done
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$pki/sa.key" 2>/dev/null
    openssl pkey -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
    certificate apiserver "/CN=kube-apiserver" "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$DOMAIN,DNS:localhost,IP:$NODE_IP,IP:${SERVICE_CIDR%.*}.1,IP:127.0.0.1"
    certificate apiserver-kubelet "/O=system:masters/CN=kube-apiserver-kubelet-client"
    certificate kubelet-serving "/O=system:nodes/CN=system:node:$NODE_NAME" "DNS:$NODE_NAME,IP:$NODE_IP"
    certificate kubelet "/O=system:nodes/CN=system:node:$NODE_NAME"
    certificate controller-manager "/CN=system:kube-controller-manager"
    certificate scheduler "/CN=system:kube-scheduler"
    certificate kube-proxy "/CN=system:kube-proxy"
    certificate coredns "/CN=coredns"
    certificate admin "/O=system:masters/CN=admin"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=front-proxy-client -keyout "$pki/front-proxy.key" 2>/dev/null |
        openssl x509 -req -days 30 -CA "$pki/front-proxy-ca.crt" -CAkey "$pki/front-proxy-ca.key" -CAcreateserial -out "$pki/front-proxy.crt" 2>/dev/null
    local name
    for name in kubelet controller-manager scheduler kube-proxy coredns admin; do kubeconfig "$name"; done
}
configuration() {
    local conf=$DIR/conf gates='{}'
    [[ -z ${K8S_FEATURE_GATES-} ]] ||
        gates=$(jq -cn --arg g "$K8S_FEATURE_GATES" '[$g | split(",")[] | split("=") | {(.[0]): (.[1] == "true")}] | add')

    cat >"$conf/containerd.toml" <<TOML
version = 2
root = "$DIR/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:local"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$conf/cni"
TOML
    cat >"$conf/cni/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
    printf 'nameserver %s\n' "$NODE_IP" >"$conf/resolv.conf"
    cat >"$conf/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $DIR/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $DIR/pki/kubelet-serving.crt
tlsPrivateKeyFile: $DIR/pki/kubelet-serving.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [$NODE_IP]
clusterDomain: $DOMAIN
resolvConf: $conf/resolv.conf
volumePluginDir: /var/lib/kubelet/volumeplugins
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
oomScoreAdj: 0
maxOpenFiles: $(ulimit -Hn | sed 's/unlimited/1000000/')
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 100Mi, imagefs.available: 100Mi}
evictionPressureTransitionPeriod: 5s
featureGates: $gates
YAML
    cat >"$conf/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $POD_CIDR
hostnameOverride: $NODE_NAME
clientConnection: {kubeconfig: $conf/kube-proxy.kubeconfig}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
featureGates: $gates
YAML
    cat >"$conf/Corefile" <<COREFILE
.:53 {
    bind $NODE_IP
    errors
    ready 127.0.0.1:10254
    kubernetes $DOMAIN in-addr.arpa {
        kubeconfig $conf/coredns.kubeconfig
        pods verified
    }
    cache 5
}
COREFILE
    cat >"$conf/objects.yaml" <<'YAML'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces, nodes], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: coredns}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
YAML
    # Local volumes, since those of the host-path provisioner are root's alone, whatever group a pod has for its files.
    local volume
    for volume in {1..4}; do
        cat <<YAML
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local-$volume}
spec:
  storageClassName: local
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  local: {path: /tmp/hostpath_pv/$volume}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: Exists}]}]}}
YAML
    done >>"$conf/objects.yaml"
    cat >"$conf/audit-policy.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"]}
# By its reviews of access a kubelet tells what it was asked.
- {level: RequestResponse, resources: [{group: authorization.k8s.io, resources: [subjectaccessreviews]}]}
- {level: Request, verbs: [patch, update], resources: [{group: "", resources: [pods/status]}]}
- {level: Metadata}
YAML
}

# The command line of each component, one word a line.
component() {
    local conf=$DIR/conf pki=$DIR/pki gates=()
    [[ -z ${K8S_FEATURE_GATES-} ]] || gates=("--feature-gates=$K8S_FEATURE_GATES")
    case $1 in
    etcd) set -- "$BIN/etcd" --name "$NODE_NAME" --data-dir "$DIR/etcd" --unsafe-no-fsync \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster "$NODE_NAME=http://127.0.0.1:2380" ;;
    kube-apiserver) set -- "$BIN/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
        --bind-address "$NODE_IP" --advertise-address "$NODE_IP" --secure-port 6443 \
        --service-cluster-ip-range "$SERVICE_CIDR" --allow-privileged \
        --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
        --service-account-issuer "$ISSUER" --service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key" \
        --service-account-jwks-uri "$ISSUER/openid/v1/jwks" \
        --api-audiences "$ISSUER${K8S_API_AUDIENCES:+,$K8S_API_AUDIENCES}" \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
        --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
        --kubelet-client-certificate "$pki/apiserver-kubelet.crt" --kubelet-client-key "$pki/apiserver-kubelet.key" \
        --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
        --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
        --requestheader-extra-headers-prefix X-Remote-Extra- --enable-aggregator-routing \
        --proxy-client-cert-file "$pki/front-proxy.crt" --proxy-client-key-file "$pki/front-proxy.key" \
        --audit-policy-file "$conf/audit-policy.yaml" --audit-log-path "$DIR/log/audit.log" \
        ${K8S_RUNTIME_CONFIG:+--runtime-config="$K8S_RUNTIME_CONFIG"} "${gates[@]}" ;;
    kube-controller-manager) set -- "$BIN/kube-controller-manager" --kubeconfig "$conf/controller-manager.kubeconfig" \
        --authentication-kubeconfig "$conf/controller-manager.kubeconfig" --authorization-kubeconfig "$conf/controller-manager.kubeconfig" \
        --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials --node-monitor-grace-period 10m \
        --service-account-private-key-file "$pki/sa.key" --root-ca-file "$pki/ca.crt" \
        --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
        --enable-hostpath-provisioner "${gates[@]}" ;;
    kube-scheduler) set -- "$BIN/kube-scheduler" --kubeconfig "$conf/scheduler.kubeconfig" \
        --authentication-kubeconfig "$conf/scheduler.kubeconfig" --authorization-kubeconfig "$conf/scheduler.kubeconfig" \
        --bind-address 127.0.0.1 --leader-elect=false "${gates[@]}" ;;
    containerd) set -- containerd --config "$conf/containerd.toml" ;;
    kubelet) set -- "$BIN/kubelet" --config "$conf/kubelet.yaml" --kubeconfig "$conf/kubelet.kubeconfig" \
        --hostname-override "$NODE_NAME" --node-ip "$NODE_IP" ;;
    kube-proxy) set -- "$BIN/kube-proxy" --config "$conf/kube-proxy.yaml" ;;
    coredns) set -- "$BIN/coredns" -conf "$conf/Corefile" ;;
    network-policies) set -- env PATH="$BIN:$PATH" KUBECONFIG="$conf/admin.kubeconfig" "$HERE/network-policies" ;;
    esac
    printf '%s\n' "$@"
}
