//! Fuzzes [`fleet_fuzz::laws::pem`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::pem::law, 512 << 20);
