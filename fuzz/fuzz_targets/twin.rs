//! Fuzzes [`fleet_fuzz::laws::twin`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::twin::law, 16 << 20);
