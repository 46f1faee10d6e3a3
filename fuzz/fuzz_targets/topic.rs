//! Fuzzes [`fleet_fuzz::laws::topic`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::topic::law, 16 << 20);
