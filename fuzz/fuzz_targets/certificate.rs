//! Fuzzes [`fleet_fuzz::laws::certificate`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::certificate::law, 512 << 20);
