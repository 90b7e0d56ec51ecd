"""Factory provisioning station for EV chargers: a charger is plugged in, a released unit comes out."""
