//! Fuzzes [`fleet_fuzz::laws::device`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::device::law, 16 << 20);
