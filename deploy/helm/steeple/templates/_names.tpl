{{- /* Names are fixed: an installation has a namespace of its own. What is the cluster's or a node's bears the instance, too. */ -}}

{{- define "steeple.suffix" -}}
{{- with .Values.instance }}-{{ . }}{{ end }}
{{- end }}

{{- define "steeple.labels" -}}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: steeple
{{- end }}

{{- define "steeple.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- /* For containers that need nothing from the kernel. */ -}}
{{- define "steeple.confined" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
{{- end }}

{{- /* The API server's token, for an hour, for containers that mount it; the others get none. */ -}}
{{- define "steeple.api-token" -}}
- name: api-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
{{- end }}

{{- define "steeple.api-token-mount" -}}
- name: api-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- define "steeple.metrics-ingress" -}}
{{- if .Values.metrics.enabled }}
- from:
    - namespaceSelector:
        {{- toYaml .Values.metrics.from.namespaceSelector | nindent 8 }}
      podSelector:
        {{- toYaml .Values.metrics.from.podSelector | nindent 8 }}
  ports:
    - port: 9988
      protocol: TCP
    - port: 8082
      protocol: TCP
{{- end }}
{{- end }}

{{- define "steeple.api-server-egress" -}}
- to:
    {{- range .Values.networkPolicy.apiServer.cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end }}

{{- define "steeple.dns-egress" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    {{- range .Values.networkPolicy.dns.cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{- define "steeple.kubelet-egress" -}}
- to:
    {{- range .Values.networkPolicy.nodes.cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - port: 10250
      protocol: TCP
{{- end }}

{{- /* Names under which the OIDC discovery provider may be asked: the issuer's and the others, as a list of HCL. */ -}}
{{- define "steeple.oidc-domains" -}}
{{- $domains := .Values.oidcDiscoveryProvider.domains -}}
{{- with .Values.server.jwtIssuer -}}
{{- $domains = prepend $domains (urlParse .).hostname -}}
{{- end -}}
{{- $domains | uniq | toJson -}}
{{- end }}

{{- /* A claim of a StatefulSet: takes its name and what is wanted of its volume. */ -}}
{{- define "steeple.claim" -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: {{ .name }}
  spec:
    accessModes: [ReadWriteOnce]
    volumeMode: Filesystem
    {{- with .persistence.storageClassName }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .persistence.size }}
  status:
    phase: Pending
{{- end }}
