use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use iot_protocol::id::{HubHost, IdScope};

use crate::central::Approval;
use crate::edge_ca::EdgeCa;
use crate::faults::FaultRules;
use crate::gateway::Gateway;
use crate::hub::Reprovision;
use crate::quota::Quota;

/// How to run an emulator. The default takes free ports on this machine and keeps nothing on disk.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where devices connect: DPS and hub on one TLS port.
    pub mqtt: SocketAddr,
    /// Where devices connect with MQTT over WebSocket; DPS and hub on one port here, too. Azure has it on port 443.
    pub ws: Option<SocketAddr>,
    /// Transparent gateways, for the children of IoT Edge devices.
    pub gateways: Vec<Gateway>,
    /// Edge CAs for gateways; one that is not named here gets an Edge CA of its own below the emulator's.
    pub edge_cas: Vec<EdgeCa>,
    /// Whether devices may use TLS 1.3, too, as Azure's usual endpoints don't.
    pub tls13: bool,
    /// Whether a device that names no server in its handshake (SNI) is refused.
    pub require_sni: bool,
    /// Where the REST interface listens with TLS.
    pub https: Option<SocketAddr>,
    /// Where the REST interface listens without TLS; only a loopback address is accepted.
    pub http: Option<SocketAddr>,
    /// The name that clients use for this machine. It is in the server's certificate.
    pub hostname: String,
    /// The hubs, by their host names, which are all in the server's certificate. New devices are spread over them evenly.
    /// None stands for one hub that is named like this machine.
    pub hubs: Vec<HubHost>,
    /// The id scope of the emulated DPS.
    pub id_scope: IdScope,
    /// Folder for the certificate authority, the API token, and everything that the services keep. Without one all
    /// of it lasts as long as the emulator.
    pub state: Option<PathBuf>,
    /// How long DPS asks a device to wait before it polls.
    pub dps_retry_after: Duration,
    /// What happens to a new device that comes through an enrollment group.
    pub approval: Approval,
    /// What happens to a device that registers again.
    pub reprovision: Reprovision,
    /// What devices and callers may do, and how often; none for as much as they like.
    pub quota: Option<Quota>,
    /// What goes wrong on purpose.
    pub faults: FaultRules,
    /// Decides what chance does.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            mqtt: any_port,
            ws: None,
            gateways: Vec::new(),
            edge_cas: Vec::new(),
            tls13: false,
            require_sni: false,
            https: Some(any_port),
            http: Some(any_port),
            hostname: "localhost".into(),
            hubs: Vec::new(),
            id_scope: IdScope::new("0ne00EMULATOR").expect("the constant is a valid id scope"),
            state: None,
            dps_retry_after: Duration::from_secs(3),
            approval: Approval::Auto,
            reprovision: Reprovision::Migrate,
            quota: None,
            faults: FaultRules::default(),
            seed: 0,
        }
    }
}
