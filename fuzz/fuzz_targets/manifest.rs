//! Fuzzes [`fleet_fuzz::laws::manifest`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::manifest::law, 64 << 20);
