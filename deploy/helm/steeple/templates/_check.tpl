{{- /* Values that can't go together are refused before anything is made of them. */ -}}

{{- define "steeple.check" -}}
{{- $sql := .Values.server.dataStore.sql -}}
{{- if not (has $sql.databaseType (list "sqlite3" "postgres" "mysql")) -}}
{{- fail (printf "server.dataStore.sql.databaseType is %q; it may be sqlite3, postgres or mysql" $sql.databaseType) -}}
{{- end -}}
{{- if and (eq $sql.databaseType "sqlite3") (gt (int .Values.server.replicas) 1) -}}
{{- fail (printf "server.replicas is %d, and SQLite has one writer, on the volume of one pod: take server.dataStore.sql.databaseType postgres or mysql, or one replica" (int .Values.server.replicas)) -}}
{{- end -}}
{{- if and (ne $sql.databaseType "sqlite3") (not $sql.connectionString.secretName) -}}
{{- fail (printf "server.dataStore.sql.databaseType is %s, and server.dataStore.sql.connectionString.secretName is empty: name the Secret with the connection string" $sql.databaseType) -}}
{{- end -}}
{{- $upstream := .Values.server.upstreamAuthority.spire -}}
{{- if and $upstream.enabled (not $upstream.serverAddress) -}}
{{- fail "server.upstreamAuthority.spire.serverAddress is empty: name the server above, such as steeple-server.NAMESPACE.svc" -}}
{{- end -}}
{{- $oidc := .Values.oidcDiscoveryProvider -}}
{{- if and $oidc.enabled (not $oidc.domains) (not .Values.server.jwtIssuer) -}}
{{- fail "oidcDiscoveryProvider.enabled is true, and nobody knows under which name it is asked: set server.jwtIssuer, or oidcDiscoveryProvider.domains" -}}
{{- end -}}
{{- if and $oidc.enabled (not .Values.agent.hostPID) -}}
{{- fail "oidcDiscoveryProvider.enabled is true, and agent.hostPID is false: the provider asks on the socket that all pods of a node share" -}}
{{- end -}}
{{- range .Values.server.federation.federatesWith -}}
{{- if and (ne .bundleEndpointProfile.type "https_web") (ne .bundleEndpointProfile.type "https_spiffe") -}}
{{- fail (printf "server.federation.federatesWith: the profile of %s is %q; it may be https_web or https_spiffe" .trustDomain .bundleEndpointProfile.type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
