//! The CONNECT packet: its content, and how it is sent.

use bytes::BytesMut;
use rumqttc::mqttbytes::Protocol;
use rumqttc::mqttbytes::v4::{Connect, LastWill, Login};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use zeroize::Zeroize;

use crate::session::is_topic;
use crate::wire::WireError;
use crate::{ConnectOptions, Credentials};

/// Sends CONNECT, past the write buffer, and wipes our copies of the password.
pub(super) async fn send_connect(tls: &mut (impl AsyncWrite + Unpin), mut connect: Connect) -> Result<(), WireError> {
    let mut encoded = BytesMut::with_capacity(connect.size());
    let written = connect.write(&mut encoded);
    if let Some(login) = &mut connect.login {
        login.password.zeroize();
    }
    written?;
    let sent = match tls.write_all(&encoded).await {
        Ok(()) => tls.flush().await,
        failed => failed,
    };
    encoded.as_mut().zeroize();
    Ok(sent?)
}

/// The packet, or the option that MQTT can't carry.
pub(super) fn connect_packet(credentials: &Credentials, options: &ConnectOptions) -> Result<Connect, &'static str> {
    // MQTT's lengths have two bytes; the codec would silently truncate a longer field.
    let fits = |len: usize| len <= usize::from(u16::MAX);
    if !fits(options.client_id.len()) {
        return Err("client id is over 65,535 bytes");
    }
    let user_name = options.user_name.clone().unwrap_or_default();
    if !fits(user_name.len()) {
        return Err("user name is over 65,535 bytes");
    }
    let password = match credentials {
        Credentials::Sas(token) => token.expose(),
        Credentials::X509(_) | Credentials::None => "",
    };
    if !fits(password.len()) {
        return Err("sas token is over 65,535 bytes");
    }
    if user_name.is_empty() && !password.is_empty() {
        return Err("a sas token needs a user name");
    }
    if let Some(will) = &options.will {
        if !is_topic(&will.topic) {
            return Err("will topic is empty, over 65,535 bytes, or has a wildcard");
        }
        if !fits(will.payload.len()) {
            return Err("will payload is over 65,535 bytes");
        }
    }
    Ok(Connect {
        protocol: Protocol::V4,
        keep_alive: whole_seconds(options.bounded_keep_alive()),
        client_id: options.client_id.clone(),
        clean_session: options.clean_session,
        last_will: options.will.as_ref().map(|will| LastWill {
            topic: will.topic.clone(),
            message: will.payload.clone(),
            qos: will.qos.into(),
            retain: will.retain,
        }),
        login: (!user_name.is_empty()).then(|| Login::new(user_name, password)),
    })
}

fn whole_seconds(duration: Duration) -> u16 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u16::try_from(seconds).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Qos, SasToken, Will};

    #[test]
    fn keepalive_is_sent_in_whole_seconds_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (90_000_000, u16::MAX)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }

    #[test]
    fn options_that_mqtt_cannot_carry_are_refused() {
        let long = "x".repeat(usize::from(u16::MAX) + 1);
        let will = |topic: &str, payload: &'static [u8]| {
            Some(Will {
                topic: topic.to_owned(),
                payload: Bytes::from_static(payload),
                qos: Qos::AtMostOnce,
                retain: false,
            })
        };
        let good = || ConnectOptions {
            user_name: Some("user".to_owned()),
            ..ConnectOptions::new("thermo")
        };
        let sas = Credentials::Sas(SasToken::new("sig"));
        assert!(connect_packet(&sas, &good()).is_ok());
        for (options, word) in [
            (
                ConnectOptions {
                    client_id: long.clone(),
                    ..good()
                },
                "client id",
            ),
            (
                ConnectOptions {
                    user_name: Some(long),
                    ..good()
                },
                "user name",
            ),
            (
                ConnectOptions {
                    user_name: None,
                    ..good()
                },
                "needs a user name",
            ),
            (
                ConnectOptions {
                    will: will("a/#", b""),
                    ..good()
                },
                "will topic",
            ),
            (
                ConnectOptions {
                    will: will("a", &[0; 65_536]),
                    ..good()
                },
                "will payload",
            ),
        ] {
            let refusal = connect_packet(&sas, &options).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn certificate_needs_no_password_and_sas_is_one() {
        let options = ConnectOptions {
            user_name: Some("user".to_owned()),
            ..ConnectOptions::new("thermo")
        };
        let password =
            |credentials: &Credentials| connect_packet(credentials, &options).unwrap().login.unwrap().password;
        assert_eq!(password(&Credentials::None), "");
        assert_eq!(password(&Credentials::Sas(SasToken::new("sig"))), "sig");
    }
}
