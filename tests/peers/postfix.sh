#!/bin/bash
# A private Postfix submission server on loopback, with TLS and SASL; touches nothing in
# /etc or /var. Needs root, because master(8) does, and the Debian packages postfix,
# sasl2-bin, libsasl2-modules and openssl.
#
#   postfix.sh start DIR STARTTLS ENCRYPT IMPLICIT IDLE SMALL FEW     six ports
#   postfix.sh stop DIR
#
# STARTTLS takes plaintext until STARTTLS, ENCRYPT refuses MAIL before it, IMPLICIT begins
# with TLS; IDLE ends a session after a second, SMALL takes 10,000 bytes, FEW takes two
# connections. User api, password s3cret-token. For clients: DIR/tls/ca.pem. What came:
# DIR/mail/inbox/new. A recipient reject-NNN@anywhere is refused with that code.
set -eu
act=$1 dir=$2
shift 2
etc=$dir/etc spool=$dir/spool tls=$dir/tls

stop() {
  [ -f "$spool/pid/master.pid" ] || return 0
  local pid
  pid=$(tr -d ' ' <"$spool/pid/master.pid")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.05
  done
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

if [ "$act" = stop ]; then
  stop
  exit
fi

# Postfix listens with SO_REUSEPORT, so a port in use would be shared in silence.
for port in "$@"; do
  if listening "$port"; then
    echo "postfix.sh: 127.0.0.1:$port is in use" >&2
    exit 3
  fi
done

mkdir -p "$etc/sasl" "$spool" "$dir/data" "$tls" "$dir/mail" "$dir/log"
chmod 755 "$dir" "$etc" "$spool"
chown postfix:postfix "$dir/data"
chown 65534:65534 "$dir/mail"

key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${key[@]}" -days 2 -subj "/CN=a test authority" \
  -addext keyUsage=critical,keyCertSign,cRLSign \
  -keyout "$tls/ca.key" -out "$tls/ca.pem" 2>/dev/null
openssl req "${key[@]}" -subj "/CN=localhost" \
  -keyout "$tls/server.key" -out "$tls/server.csr" 2>/dev/null
cat >"$tls/extensions" <<'END'
subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
END
openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" \
  -CAcreateserial -days 2 -extfile "$tls/extensions" -out "$tls/server.pem" 2>/dev/null

# Debian's Postfix looks for smtpd.conf below its configuration directory and nowhere else.
cat >"$etc/sasl/smtpd.conf" <<END
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: $etc/sasl/sasldb2
END
printf s3cret-token | saslpasswd2 -p -c -f "$etc/sasl/sasldb2" -u mail.test api
chgrp postfix "$etc/sasl/sasldb2"
chmod 640 "$etc/sasl/sasldb2"

echo '/^reject-([45][0-9][0-9])@/ ${1} told to by the address' >"$etc/recipients"

cat >"$etc/main.cf" <<END
compatibility_level = 3.7
queue_directory = $spool
data_directory = $dir/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = $dir/log/mail.log
maillog_file_prefixes = $dir
myhostname = localhost
mydomain = mail.test
mydestination =
# Loopback in mynetworks would be exempt from every limit on clients.
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
message_size_limit = 41943040
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
default_process_limit = 40
smtpd_tls_cert_file = $tls/server.pem
smtpd_tls_key_file = $tls/server.key
smtpd_tls_auth_only = yes
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_session_cache_database =
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = mail.test
cyrus_sasl_config_path = $etc/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access regexp:$etc/recipients,
  permit_sasl_authenticated, reject
virtual_mailbox_domains = static:all
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = static:inbox/
virtual_minimum_uid = 1000
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_alias_maps =
END

door() {
  echo "127.0.0.1:$1 inet n - n - - smtpd"
  shift
  for option in "$@"; do echo "  -o $option"; done
}
{
  door "$1" smtpd_tls_security_level=may
  door "$2" smtpd_tls_security_level=encrypt
  door "$3" smtpd_tls_wrappermode=yes smtpd_tls_security_level=encrypt
  door "$4" smtpd_tls_security_level=may smtpd_timeout=1s
  door "$5" smtpd_tls_security_level=may message_size_limit=10000
  door "$6" smtpd_tls_security_level=may smtpd_client_connection_count_limit=2
  # No chroot anywhere: the private spool has no copies of system files.
  cat <<'END'
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
END
} >"$etc/master.cf"

postfix -c "$etc" start >"$dir/log/start.log" 2>&1 || {
  cat "$dir/log/start.log" >&2
  exit 1
}
for _ in $(seq 100); do
  listening "$2" && exit 0
  sleep 0.05
done
echo "postfix.sh: no answer; see $dir/log/mail.log" >&2
exit 1
