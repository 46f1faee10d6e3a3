//! Reads the fleet manifest, makes identities, enrolls, runs device-sim processes, shows and reports.
