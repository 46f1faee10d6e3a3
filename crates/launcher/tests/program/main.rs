//! The real `fleet` program, with real processes, certificates and sockets.
//!
//! Processes are found through `/proc`, so these tests are for Linux.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

mod addresses;
mod axe;
mod brought;
mod browser;
mod certificates;
mod cluster;
mod collect;
mod configs;
mod ctl;
mod demo;
mod disks;
mod docs;
mod doctor;
mod edge;
mod ends;
mod enroll;
mod export;
mod figures;
mod first_use;
mod grafana;
mod handles;
mod init;
mod live_page;
mod metrics;
mod operator;
mod page;
mod person;
mod portal;
mod portal_views;
mod pty;
mod reach;
mod refusals;
mod register;
mod report_page;
mod reporting;
mod reports;
mod roll;
mod run;
mod scenarios;
mod scripted_collector;
mod sims;
mod support;
mod terminal;
mod thresholds;
mod zsh;
