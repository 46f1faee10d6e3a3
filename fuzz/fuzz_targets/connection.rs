//! Fuzzes [`fleet_fuzz::laws::connection`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::connection::law, 16 << 20);
