//! Fuzzes [`fleet_fuzz::laws::rest`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::rest::law, 64 << 20);
