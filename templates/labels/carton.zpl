{# Carton of a charger: 100 x 100 mm at 203 dpi (800 x 800 dots), font 0 only. Each value is escaped by the engine.
   GS1-128: AI 00, start C, FNC1; a module of 0.5 mm and 32 mm of height (General Specifications, 5.12.3, table 5). #}
^XA
^CI28
^PW800
^LL800
^LH0,0
^FX sender and product ^FS
^FO12,12^GB776,776,3^FS
^FO32,32^A0N,52,{{ unit.vendor | fit(52, 736) }}^FH_^FD{{ unit.vendor }}^FS
^FO32,96^A0N,44,{{ unit.model | fit(44, 360) }}^FH_^FD{{ unit.model }}^FS
^FO408,96^FB360,1,0,R^A0N,44,{{ unit.hardware | fit(44, 350) }}^FH_^FD{{ unit.hardware }}^FS
^FO12,152^GB776,2,2^FS
^FX what is in it: beside the codes first, then below them ^FS
{% set gtin = unit.gtin.rjust(14, "0") if unit.gtin else "" %}
{% set pitch = 43 if gtin else 52 %}
{% set beside = 275 if gtin else 370 %}
{% set first = [("Serial number", unit.serial, beside), ("Firmware", unit.firmware, beside)] %}
{% set trade = [("GTIN", gtin, beside)] if gtin else [] %}
{% set last = [("Customer", unit.customer, 370), ("Work order", unit.work_order, 370)] %}
{% for name, value, room in first + trade + last %}
{% set y = 172 + loop.index0 * pitch %}
^FO32,{{ y }}^A0N,30,{{ name | fit(30, 190) }}^FH_^FD{{ name }}^FS
^FO236,{{ y - 4 }}^A0N,38,{{ value | fit(38, room) }}^FH_^FD{{ value }}^FS
{% endfor %}
^FX code of this label, to scan it back: QR model 2, level M; 25 modules hold 38 characters ^FS
{% set module = 5 %}
^FO{{ 768 - module * 25 }},168^BQN,2,{{ module }}^FH_^FDMA,{{ code }}^FS
{% if gtin %}
^FX trade item: GS1 DataMatrix, AI 01 and, of up to 20 characters, 21; at most 24 modules ^FS
^FO527,168^BXN,4,200,,,,!,1^FH_^FD!101{{ gtin }}{{ "21" ~ unit.serial if unit.serial | length <= 20 else "" }}^FS
{% endif %}
{% if copy > 1 %}
^FO608,322^FB160,1,0,R^A0N,26,24^FH_^FDcopy {{ copy }}^FS
{% endif %}
^FX SSCC ^FS
^FO12,388^GB776,2,2^FS
^FO32,406^A0N,36,36^FDSSCC^FS
^FO200,400^FB568,1,0,R^A0N,46,42^FH_^FD{{ unit.sscc }}^FS
^FO88,464^BY4^BCN,256,N,N,N^FD>;>800{{ unit.sscc }}^FS
^FO12,738^FB776,1,0,C^A0N,36,34^FH_^FD(00) {{ unit.sscc }}^FS
^XZ
