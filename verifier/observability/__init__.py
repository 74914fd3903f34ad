"""What operators see: metrics, the decision log, the audit log and traces."""
