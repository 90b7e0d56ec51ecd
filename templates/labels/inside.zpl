{# Inside of a charger, for its owner alone: 60 x 40 mm at 203 dpi (480 x 320 dots), font 0 only.
   The secret stands here in letters and in no code: whatever reads codes at a line keeps and shows what it reads. #}
{% set size = 72 if secret | length <= 11 else 44 %}
^XA
^CI28
^PW480
^LL320
^LH0,0
^FX frame and head ^FS
^FO8,8^GB464,304,3,B,1^FS
^FO8,8^GB464,52,26,B,1^FS
^FO24,18^FR^A0N,36,{{ secret_title | fit(36, 270) }}^FH_^FD{{ secret_title }}^FS
^FO306,24^FR^FB150,1,0,R^A0N,26,24^FDkeep secret^FS
^FX the secret ^FS
^FO16,{{ 100 if size == 72 else 112 }}^FB448,1,0,C^A0N,{{ size }},{{ secret | fit(size, 440) }}^FH_^FD{{ secret }}^FS
^FX whose it is ^FS
^FO8,184^GB464,2,2^FS
^FO24,202^A0N,26,{{ unit.vendor | fit(26, 290) }}^FH_^FD{{ unit.vendor }}^FS
^FO24,234^A0N,26,{{ unit.model | fit(26, 290) }}^FH_^FD{{ unit.model }}^FS
{% set note = unit.serial if copy == 1 else unit.serial ~ ", copy " ~ copy %}
^FO24,268^A0N,28,{{ note | fit(28, 290) }}^FH_^FD{{ note }}^FS
^FX code: QR model 2, level M; 25 modules hold 38 characters ^FS
{% set module = 4 %}
^FO{{ 456 - module * 25 }},198^BQN,2,{{ module }}^FH_^FDMA,{{ code }}^FS
^XZ
