//! Fuzzes [`fleet_fuzz::laws::server`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::server::law, 16 << 20);
