//! Fuzzes [`fleet_fuzz::laws::bag`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::bag::law, 16 << 20);
