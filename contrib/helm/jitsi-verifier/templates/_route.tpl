{{/* What a route needs of the values; fails with a clear message. */}}
{{- define "jitsi-verifier.checkRoute" -}}
{{- if not .Values.route.host -}}
{{- fail (printf "\n\nroute.host is missing: route.kind is %s, so set Jitsi's host name, such as meet.example.org\n" .Values.route.kind) -}}
{{- end -}}
{{- end -}}

{{/* The identity headers, between commas. Jitsi gets them from the verifier, never from a client. */}}
{{- define "jitsi-verifier.identityHeaders" -}}
X-Jitsi-Room,X-Jitsi-Tenant,X-Jitsi-Subject,X-Jitsi-Issuer,X-Jitsi-User-Id,X-Jitsi-User-Name,X-Jitsi-User-Email,X-Jitsi-Group,X-Jitsi-Moderator,X-Jitsi-Affiliation,X-Jitsi-Features,X-Jitsi-Expires,X-Jitsi-Would-Deny
{{- end -}}

{{/* Headers that some proxy uses for the original request, between commas. */}}
{{- define "jitsi-verifier.conventionHeaders" -}}
X-Jitsi-Denial,X-Original-Uri,X-Original-Url,X-Original-Method,X-Original-Upgrade,X-Rewrite-Url,X-Forwarded-Uri,X-Forwarded-Method,X-Forwarded-Upgrade
{{- end -}}
