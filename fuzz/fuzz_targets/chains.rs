//! Fuzzes [`fleet_fuzz::laws::chains`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::chains::law, 512 << 20);
