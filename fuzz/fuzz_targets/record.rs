//! Fuzzes [`fleet_fuzz::laws::record`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::record::law, 64 << 20);
