//! One TLS + MQTT 3.1.1 connection: rumqttc's packet codec driven over tokio-rustls.
