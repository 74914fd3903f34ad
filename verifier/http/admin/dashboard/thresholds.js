// The numbers of the alerts in contrib/prometheus, by which the headline is coloured. A test compares
// them. The alerts also wait some minutes, and know the people of a whole day; this page knows at most
// the last 15 minutes.

export const THRESHOLDS = {
  JitsiVerifierDenyRatioHigh: { severity: "critical", ratio: 0.33, people: 9.5 },
  JitsiVerifierUnavailable: { severity: "critical", ratio: 0.05, people: 4.5 },
  JitsiVerifierTokensGuessed: { severity: "warning", rate: 1, times: 10 },
  JitsiVerifierLatencyHigh: { severity: "warning", seconds: 0.05, rate: 0.5 },
  JitsiVerifierKeyFetchFailing: { severity: "warning", ratio: 0.5 },
  JitsiVerifierKeySourceStale: { severity: "warning", lookups: 0, seconds: 90000 },
  JitsiVerifierKeysSkipped: { severity: "warning", keys: 0 },
  JitsiVerifierRevocationStoreDown: { severity: "warning", up: 0 },
  JitsiVerifierWorkersRestart: { severity: "warning", restarts: 2 },
  JitsiVerifierReloadFailed: { severity: "warning", successful: 0 },
};

/** Denials that say nothing about the service: an old link, a used link, a revoked token. */
export const USUAL_DENIALS = ["token-expired", "token-already-used", "revoked"];

/** Denials that need no good signature, so that any client can cause any number of them. */
export const UNSIGNED_DENIALS = [
  "token-malformed",
  "key-id-missing",
  "algorithm-missing",
  "algorithm-not-allowed",
  "key-unknown",
  "type-not-jwt",
  "signature-invalid",
];

/** Reasons for which a key is usually not used: it has another purpose. */
export const USUAL_SKIP_REASONS = ["use", "key-type", "algorithm"];
