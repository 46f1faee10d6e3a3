//! The folders on disk where identities live.
//!
//! ```text
//! <certs>/<group>/ca/root_cert.pem root_key.pem intermediate_cert.pem intermediate_key.pem
//! <certs>/<group>/ca-0002/…                                                    the next generation of CAs
//! <certs>/<group>/leaves/0001/<device id>_cert.pem _key.pem _fullchain.pem     a generation of leaves
//! <certs>/<group>/leaves/0001/ca                                               "0001": the CAs that have signed it
//! <certs>/<group>/current                                                      "0001": the leaves in use
//! <certs>/<group>/edge/0001/<device id>/edge_ca_cert.pem _key.pem _fullchain.pem  of an IoT Edge device, below the CAs "0001"
//! <certs>/individual/<device id>/primary_cert.pem primary_key.pem secondary_… current
//! ```
//!
//! Keys are 0600 in 0700 folders. Every file appears under its name only when it is whole; nothing that exists is
//! written again; what an interrupted run left undone is done by the next. A CA that was put into `ca/` by hand is
//! signed with instead of making one, and an intermediate is enough: its root's key may stay offline.
//!
//! Certificates made elsewhere stay where they are: [`BroughtGroup`], [`BroughtIndividual`].
//!
//! [`CertFolder`] is another kind: a folder of test certificates as Microsoft's `create_test_cert.js` fills it.
//!
//! Device ids are file names as they are. Windows can't store the `:` that a registration id may contain.
//! A group can't be called `individual`.

mod brought;
mod camel_case;
mod cert_folder;
mod edge;
mod error;
mod files;
mod generate;
mod generation;
mod group;
mod individual;
mod issuer;
mod lifetime;
mod on_every_core;
mod warnings;

pub use brought::{
    BroughtCa, BroughtFiles, BroughtGroup, BroughtIndividual, DEVICE_ID, PasswordSource, path_of_device,
};
pub use camel_case::camel_case;
pub use cert_folder::{Bulk, CaFiles, CertFolder, CertSpec, Notice, PfxSpec, Renewed, Written};
pub use edge::{EdgeCa, EdgeCaPaths};
pub use error::{IdentityError, Problems};
pub use generate::{GroupAuthorities, GroupIdentities, GroupSpec, Issued};
pub use generation::Generation;
pub use group::{GroupFolder, LeafPaths};
pub use individual::{IndividualFolder, IndividualIdentities, IndividualSpec, PairPaths, Slot};
pub use issuer::Issuer;
pub use lifetime::{Dates, Lifetime};
pub use on_every_core::{Progress, Report};
pub use warnings::{Warning, Warnings};
