{# Rating plate of a charger: 100 x 60 mm at 203 dpi (800 x 480 dots), font 0 only. Each value is escaped by the engine. #}
{% set kinds = {"cType1": "Type 1", "cType2": "Type 2", "cCCS1": "CCS 1", "cCCS2": "CCS 2", "sType2": "Type 2 socket"} %}
{% set outlets = unit.connectors | length %}
{% set columns = outlets if outlets < 4 else (outlets + 1) // 2 %}
{% set tile = 736 // ([columns, 3] | max) %}
{% set high = 64 if outlets < 4 else 34 %}
{% set rows = unit.ratings | length %}
{% set pitch = [38, 208 // ([rows, 1] | max)] | min %}
{% set size = [26, pitch - 6] | min %}
^XA
^CI28
^PW800
^LL480
^LH0,0
^FX frame and head ^FS
^FO12,12^GB776,456,3,B,1^FS
^FO12,12^GB776,72,36,B,3^FS
^FO12,48^GB776,36,36,B,0^FS
^FO32,27^FR^A0N,48,{{ unit.vendor | fit(48, 470) }}^FH_^FD{{ unit.vendor }}^FS
^FO520,27^FR^FB248,1,0,R^A0N,48,{{ unit.model | fit(48, 240) }}^FH_^FD{{ unit.model }}^FS
^FX ratings ^FS
{% for name, value in unit.ratings.items() %}
{% set y = 100 + loop.index0 * pitch %}
^FO32,{{ y + (pitch - size) // 2 }}^A0N,{{ size }},{{ name | fit(size, 176) }}^FH_^FD{{ name }}^FS
^FO216,{{ y + (pitch - size) // 2 }}^A0N,{{ size }},{{ value | fit(size, 322) }}^FH_^FD{{ value }}^FS
{% if not loop.last %}
^FO32,{{ y + pitch }}^GB508,1,1^FS
{% endif %}
{% endfor %}
^FX code: QR model 2, level M; 21 modules hold 20 characters, 25 hold 38 ^FS
{% set module = 9 if code | length <= 20 else 8 %}
^FO{{ 768 - module * (21 if code | length <= 20 else 25) }},104^BQN,2,{{ module }}^FH_^FDMA,{{ code }}^FS
^FX outlets ^FS
^FO12,318^GB776,2,2^FS
{% for outlet in unit.connectors %}
{% set x = 32 + (loop.index0 % columns) * tile %}
{% set y = 328 + (loop.index0 // columns) * 35 %}
{% set kind = kinds.get(outlet.type, outlet.type) %}
{% set power = outlet.max_current_a ~ " A  " ~ "%g" | format(outlet.max_power_w / 1000) ~ " kW" %}
{% if high == 64 %}
^FO{{ x }},{{ y }}^GB64,64,32,B,2^FS
^FO{{ x }},{{ y + 10 }}^FR^FB64,1,0,C^A0N,52,52^FH_^FD{{ outlet.letter }}^FS
^FO{{ x + 78 }},{{ y + 6 }}^A0N,28,{{ kind | fit(28, tile - 90) }}^FH_^FD{{ kind }}^FS
^FO{{ x + 78 }},{{ y + 36 }}^A0N,28,{{ power | fit(28, tile - 90) }}^FH_^FD{{ power }}^FS
{% else %}
^FO{{ x }},{{ y }}^GB32,32,16,B,2^FS
^FO{{ x }},{{ y + 5 }}^FR^FB32,1,0,C^A0N,26,26^FH_^FD{{ outlet.letter }}^FS
^FO{{ x + 40 }},{{ y + 7 }}^A0N,22,{{ (kind ~ "  " ~ power) | fit(22, tile - 48) }}^FH_^FD{{ kind }}  {{ power }}^FS
{% endif %}
{% endfor %}
^FX serial ^FS
^FO12,402^GB776,2,2^FS
^FO32,428^A0N,24,24^FDSN^FS
^FO76,412^A0N,54,{{ unit.serial | fit(54, 490) }}^FH_^FD{{ unit.serial }}^FS
{% set note = unit.hardware if copy == 1 else unit.hardware ~ ", copy " ~ copy %}
^FO580,428^FB188,1,0,R^A0N,24,{{ note | fit(24, 180) }}^FH_^FD{{ note }}^FS
^XZ
