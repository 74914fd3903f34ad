"""What operators see: metrics, decision log, audit log and traces."""
