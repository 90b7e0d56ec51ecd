{# One outlet of a charger: 60 x 40 mm at 203 dpi (480 x 320 dots), font 0 only. Each value is escaped by the engine. #}
{% set kinds = {"cType1": "Type 1", "cType2": "Type 2", "cCCS1": "CCS 1", "cCCS2": "CCS 2", "sType2": "Type 2 socket"} %}
{% set kind = kinds.get(outlet.type, outlet.type) %}
{% set phases = {0: "DC", 1: "1 phase"}.get(outlet.phases, outlet.phases ~ " phases") %}
{% set power = "%g" | format(outlet.max_power_w / 1000) ~ " kW" %}
{% set ocpp = "Connector " ~ outlet.evse if unit.ocpp_version == "ocpp1.6" else "EVSE " ~ outlet.evse ~ "  connector " ~ outlet.connector %}
^XA
^CI28
^PW480
^LL320
^LH0,0
^FX frame and letter ^FS
^FO8,8^GB464,304,3,B,1^FS
^FO24,24^GB136,136,68,B,1^FS
^FO24,40^FR^FB136,1,0,C^A0N,124,{{ outlet.letter | fit(124, 132) }}^FH_^FD{{ outlet.letter }}^FS
^FX what it is ^FS
^FO176,28^A0N,44,{{ kind | fit(44, 288) }}^FH_^FD{{ kind }}^FS
^FO176,76^A0N,36,{{ (outlet.max_current_a ~ " A  " ~ phases) | fit(36, 288) }}^FH_^FD{{ outlet.max_current_a }} A  {{ phases }}^FS
^FO176,116^A0N,44,{{ power | fit(44, 288) }}^FH_^FD{{ power }}^FS
^FX how a CPMS calls it ^FS
^FO8,172^GB464,2,2^FS
^FO24,188^A0N,28,{{ ocpp | fit(28, 270) }}^FH_^FD{{ ocpp }}^FS
^FO24,226^A0N,24,{{ unit.model | fit(24, 270) }}^FH_^FD{{ unit.model }}^FS
{% set note = unit.serial if copy == 1 else unit.serial ~ ", copy " ~ copy %}
^FO24,262^A0N,28,{{ note | fit(28, 270) }}^FH_^FD{{ note }}^FS
^FX code: QR model 2, level M; 25 modules hold 38 characters ^FS
{% set module = 4 %}
^FO{{ 456 - module * 25 }},188^BQN,2,{{ module }}^FH_^FDMA,{{ code }}^FS
^XZ
