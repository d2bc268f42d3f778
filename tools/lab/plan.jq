# SPDX-License-Identifier: Apache-2.0
# plan: what tools/lab/lab has to build for a rule set, one tab-separated line a thing.
#
#   port    INTERFACE DEVICE INSTANCE NIC  ADDRESS/LEN,... ROUTER,...
#   inside  INTERFACE DEVICE INSTANCE NIC  ADDRESS/LEN,... ROUTER,... BRIDGE
#   local   INTERFACE DEVICE -        NIC  ADDRESS/LEN,... ROUTER,... WIRE
#   beside  HOST      DEVICE INSTANCE NIC  ADDRESS/LEN,... ROUTER,... WIRE
#   bridge  DEVICE
#   router  DEVICE   ADDRESS/LEN,...  of a subnet's device
#   uplink  DEVICE   MACHINE NEXT-HOP,... ELASTIC,... IPV6-CIDR,...
#   subnet  CIDR
#
# NIC is the name of the far end: ethN inside the instance, or wN in the world. An empty list is "-".
# An interface without a device of its own is inside its subnet's: DEVICE is its port of the BRIDGE, or, with $veth
# where it is the subnet's only interface, the subnet's device itself and BRIDGE is "-". So it is with $hosts that the
# rule set does not name, "NAME=ADDRESS,... NAME=..."; where the subnet has no device they are beside its local interface, on
# a bridge in the world, the WIRE (of a local interface without such hosts "-"). ELASTIC are the virtual addresses of
# balancers, too.

# Bits of an address, most significant first: 32 of them or 128.
def hex: ascii_downcase | explode | reduce .[] as $c (0; . * 16 + (if $c >= 97 then $c - 87 else $c - 48 end));
def to_bits($n): . as $v | [range($n - 1; -1; -1) as $i | ($v / pow(2; $i) | floor) % 2];
def from_bits: reduce .[] as $b (0; . * 2 + $b);
def words: if . == "" then [] else split(":") | map(hex) end;
def bits:
  if contains("::") then split("::") as [$a, $b]
      | ($a | words) as $a | ($b | words) as $b
      | ($a + [range(8 - ($a | length) - ($b | length)) | 0] + $b | map(to_bits(16)) | add)
  elif contains(":") then words | map(to_bits(16)) | add
  else split(".") | map(tonumber | to_bits(8)) | add end;

# What `ip` reads; it needs no "::".
def to_hex: if . < 16 then "0123456789abcdef"[.:. + 1] else (. / 16 | floor | to_hex) + (. % 16 | to_hex) end;
def address:
  if length == 32 then [range(0; 32; 8) as $i | .[$i:$i + 8] | from_bits | tostring] | join(".")
  else [range(0; 128; 16) as $i | .[$i:$i + 16] | from_bits | to_hex] | join(":") end;

def cidr: split("/") as [$a, $l] | { bits: ($a | bits), len: ($l | tonumber) };
def holds($a): .len as $l | (.bits | length) == ($a | length) and .bits[:$l] == $a[:$l];
def router: .len as $l | .bits[:$l] + [range((.bits | length) - $l - 1) | 0] + [1] | address;
def list: if length == 0 then "-" else join(",") end;

. as $named
| ($named.subnets // {}) as $subnets
| ($subnets | map_values(.cidrs | map(cidr))) as $cidrs
| def subnet_of: bits as $a | [$cidrs | to_entries[] | select(any(.value[]; holds($a))).key][0]
    // error("\(.) is in no subnet: the lab cannot number it");
  reduce ($hosts | split(" ")[] | split("=") | { name: .[0], addresses: (.[1] | split(",")) }) as $h ($named;
    .interfaces[$h.name] = { addresses: $h.addresses, subnet: ($h.addresses[0] | subnet_of), is_host: true })
| . as $rules
| ($rules.interfaces // {} | to_entries
    | map(select(.value.device or .value.is_host or (.value.attach != "local" and $subnets[.value.subnet // ""].device)))) as $cabled
| ($cabled | map(select(.value.attach == "local"))) as $locals
| ($cabled | map(select(.value.device or $subnets[.value.subnet].device == null | not))) as $inside
| ($cabled | map(select(.value.is_host and $subnets[.value.subnet].device == null))) as $beside
| def wire($subnet): if any($beside[]; .value.subnet == $subnet) then "br\($locals | map(.value.subnet) | index($subnet)
    // error("subnet \($subnet) has neither a device nor a local interface: the lab cannot plug a host"))" else "-" end;
  # Of a subnet's device: does a plain cable do?
  def is_plain: . as $name | $veth and ($inside | map(select(.value.subnet == $name)) | length) == 1;
  ($subnets | .[] | .cidrs[] | ["subnet", .]),
  ($subnets | to_entries[] | select(.value.device and (.key | is_plain | not))
    | ["bridge", .value.device]),
  ($subnets | to_entries[] | select(.value.device)
    | ["router", .value.device, ($cidrs[.key] | map("\(router)/\(.len)") | list)]),
  ($cabled[] | .key as $name | .value as $i
    | ($i.attach == "local") as $is_local
    | ($i.instance // $name) as $instance
    | (if $is_local then $locals else $cabled | map(select(.value.attach != "local" and (.value.instance // .key) == $instance)) end
        | map(.key) | index($name)) as $n
    | if $i.subnet == null and ($is_local | not) then error("interface \($name) has a device and no subnet: the lab cannot number it") else . end
    | [($i.addresses // [])[] | bits as $a
        | [$cidrs[$i.subnet // ""] // [] | .[] | select(holds($a))][0] as $c
        | { address: "\(.)/\($c.len // ($a | length))", router: (if $c then $c | router else null end) }] as $a
    | ($a | map(.address) | list) as $addresses
    | ($a | map(.router // empty) | unique | list) as $routers
    | if ($a | length) == 0 and $is_local then # The documentation ranges have room for eleven of these.
        ["local", $name, $i.device, "-", "w\($n)", "192.0.2.\(16 * $n + 18)/28,2001:db8:0:\($n + 1)::2/64", "192.0.2.\(16 * $n + 17),2001:db8:0:\($n + 1)::1", "-"]
      elif $is_local then ["local", $name, $i.device, "-", "w\($n)", $addresses, $routers, wire($i.subnet)]
      elif $i.device then ["port", $name, $i.device, $instance, "eth\($n)", $addresses, $routers]
      elif $subnets[$i.subnet].device == null then ["beside", $name, "lab\($beside | map(.key) | index($name))", $instance, "eth\($n)", $addresses, $routers, wire($i.subnet)]
      elif $i.subnet | is_plain then ["inside", $name, $subnets[$i.subnet].device, $instance, "eth\($n)", $addresses, $routers, "-"]
      else ["inside", $name, "lab\($inside | map(.key) | index($name))", $instance, "eth\($n)", $addresses, $routers, $subnets[$i.subnet].device]
      end),
  # A VPC may be left out where there is one, or none.
  (($rules.vpcs // {} | keys[0] // "") as $only
    | def vpc_of($name): $subnets[$name // ""].vpc // $only;
      def lies_in: . as $e | if .value.interface then vpc_of($rules.interfaces[.value.interface].subnet)
        else [($rules.nat_gateways // {} | .[] | select(.elastic_ips // [] | index($e.key)) | vpc_of(.subnet)),
          ($rules.load_balancers // {} | .[].nodes // [] | .[] | select(.elastic_ip == $e.key) | vpc_of(.subnet))][0] end;
    def is_inside($vpc): bits as $a | any($rules.vpcs[$vpc].cidrs // [] | .[] | cidr; holds($a));
    [$rules.internet_gateways, $rules.egress_only_gateways | . // {} | .[]] | group_by(.device) | to_entries[]
    | (.value | map(.vpc // $only)) as $vpcs
    | ["uplink", .value[0].device, (if .key == 0 then "internet" else "internet-\(.value[0].device)" end),
       (.value | map(.next_hop // [] | .[]) | unique | list),
       ($rules.elastic_ips // {} | to_entries | map(select(lies_in as $v | $v == null or ($vpcs | index([$v]))) | .value.address)
         + [$rules.load_balancers // {} | .[] | (.vpc // $only) as $vpc | select($vpcs | index([$vpc])) | .addresses // [] | .[]
           | select(is_inside($vpc) | not)] | list),
       ($vpcs | unique | map($rules.vpcs[.].cidrs // [] | .[] | select(contains(":"))) | list)])
| @tsv
