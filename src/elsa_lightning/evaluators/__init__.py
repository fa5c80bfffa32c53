"""Groups of metrics from embeddings: functions of what stage `embed` wrote."""
