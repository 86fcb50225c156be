"""What whoever runs Firstline needs: probes, metrics, traces, a check-up, backups."""
