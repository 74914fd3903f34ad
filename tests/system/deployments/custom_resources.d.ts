// Envoy Gateway's resources: the fields that the chart uses, with the types and the values of the API
// reference of version 1.8 (gateway.envoyproxy.io/v1.8/api/extension_types). No package of a registry
// has these types.

interface Metadata {
  name: string;
  namespace: string;
  labels: { [name: string]: string };
}

interface Target {
  group: "gateway.networking.k8s.io";
  kind: "Gateway" | "HTTPRoute";
  name: string;
  sectionName?: string;
}

interface Header {
  name: string;
  value: string;
}

interface HeaderFilter {
  set?: Header[];
  add?: Header[];
  addIfAbsent?: Header[];
  remove?: string[];
  removeOnMatch?: { type?: "Exact" | "Prefix" | "Suffix" | "RegularExpression"; value: string }[];
}

type Trigger =
  | "5xx"
  | "gateway-error"
  | "reset"
  | "reset-before-request"
  | "connect-failure"
  | "retriable-4xx"
  | "refused-stream"
  | "retriable-status-codes";

export interface ISecurityPolicy {
  apiVersion: "gateway.envoyproxy.io/v1alpha1";
  kind: "SecurityPolicy";
  metadata: Metadata;
  spec: {
    targetRefs: Target[];
    extAuth: {
      failOpen?: boolean;
      statusOnError?: number;
      timeout?: string;
      headersToExtAuth?: string[];
      http: {
        path?: string;
        backendRefs: { name: string; namespace?: string; port: number }[];
        backendSettings?: {
          retry?: { numRetries?: number; retryOn?: { triggers?: Trigger[] } };
          timeout?: { http?: { connectionIdleTimeout?: string } };
        };
        headersToBackend?: string[];
      };
    };
  };
}

export interface IClientTrafficPolicy {
  apiVersion: "gateway.envoyproxy.io/v1alpha1";
  kind: "ClientTrafficPolicy";
  metadata: Metadata;
  spec: {
    targetRefs: Target[];
    path?: {
      escapedSlashesAction?:
        | "KeepUnchanged"
        | "RejectRequest"
        | "UnescapeAndForward"
        | "UnescapeAndRedirect";
      disableMergeSlashes?: boolean;
    };
    headers?: {
      withUnderscoresAction?: "Allow" | "RejectRequest" | "DropHeader";
      earlyRequestHeaders?: HeaderFilter;
      lateResponseHeaders?: HeaderFilter;
    };
  };
}

export interface IEnvoyProxy {
  apiVersion: "gateway.envoyproxy.io/v1alpha1";
  kind: "EnvoyProxy";
  metadata: Metadata;
  spec: {
    telemetry: {
      accessLog: {
        settings: {
          format: { type: "JSON"; json: { [name: string]: string } };
          sinks: { type: "File"; file: { path: string } }[];
        }[];
      };
    };
  };
}
