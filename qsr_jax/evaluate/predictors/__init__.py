"""What makes maps: trained networks, interpolations, a scan repeated; all of them predictors."""
