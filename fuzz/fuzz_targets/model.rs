//! Fuzzes [`fleet_fuzz::laws::model`].

#![no_main]

fleet_fuzz::target!(fleet_fuzz::laws::model::law, 64 << 20);
